//! Whether a peer is still there: when to ping it, and when to take it for gone (PROTOCOL.md, section 3).
//!
//! Only what was really waited counts. A process that stood still, because it was stopped, its virtual machine frozen or
//! its memory swapped out, knows nothing of what its peers did meanwhile. And a peer is silent only while it is being read.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::patience::Patience;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Alive,
    /// A ping must be sent.
    PingDue,
    /// Nothing came although it was asked for: gone, unless its bytes wait in the socket.
    Silent,
    /// It has taken nothing for a while, as far as was told: there may be room in the socket.
    Blocked,
    /// It takes nothing: too slow.
    Stalled,
}

#[derive(Debug)]
enum Ping {
    None,
    /// Not yet sent completely.
    Queued,
    Out(Waited),
}

#[derive(Debug)]
pub(super) struct Liveness {
    patience: Patience,
    /// The last sign of life, or when reading became possible again.
    quiet_since: Instant,
    last_sent: Instant,
    ping: Ping,
    /// How long nothing has been taken.
    stall: Option<Waited>,
    /// What happened since it was last judged.
    was_received: bool,
    was_sent: bool,
    /// Whether the system takes no more, since the peer has not taken what was sent before.
    is_blocked: bool,
}

impl Liveness {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self {
            patience,
            quiet_since: now,
            last_sent: now,
            ping: Ping::None,
            stall: None,
            was_received: false,
            was_sent: false,
            is_blocked: false,
        }
    }

    /// Bytes came.
    pub(super) fn received(&mut self) {
        self.was_received = true;
    }

    /// The system took bytes.
    pub(super) fn sent(&mut self) {
        self.was_sent = true;
        self.is_blocked = false;
    }

    /// The system took no bytes.
    pub(super) fn blocked(&mut self) {
        self.is_blocked = true;
    }

    /// What must be done. `is_reading`: whether what comes is read; `is_all_sent`: whether nothing waits to be sent.
    pub(super) fn judge(&mut self, now: Instant, is_reading: bool, is_all_sent: bool) -> Verdict {
        let step = self.patience.step();
        let (was_received, was_sent) = (mem::take(&mut self.was_received), mem::take(&mut self.was_sent));
        // Taking bytes is a sign of life when there was no room for them before.
        let is_alive = was_received || (was_sent && self.stall.is_some());
        if was_sent {
            self.last_sent = now;
            self.stall = None;
        }
        let mut is_step_over = false;
        if self.is_blocked {
            is_step_over = self.stall.get_or_insert_with(|| Waited::from(now)).until(now, step);
        }
        if is_alive || !is_reading {
            self.quiet_since = now;
            if is_alive || matches!(self.ping, Ping::Out(_)) {
                self.ping = Ping::None;
            }
        }
        let ping_due = self.ping_due();
        match &mut self.ping {
            Ping::None if now >= ping_due => {
                self.ping = Ping::Queued;
                return Verdict::PingDue;
            }
            Ping::Queued if is_all_sent => self.ping = Ping::Out(Waited::from(now)),
            Ping::Out(waited) => {
                waited.until(now, step);
                let was_out_long_enough = waited.total >= self.patience.ping_time();
                if was_out_long_enough && now >= self.quiet_since + self.patience.max_silence {
                    return Verdict::Silent;
                }
            }
            Ping::None | Ping::Queued => {}
        }
        match &self.stall {
            Some(stall) if stall.total >= self.patience.max_stall => Verdict::Stalled,
            Some(_) if is_step_over => Verdict::Blocked,
            _ => Verdict::Alive,
        }
    }

    /// When to judge again at the latest.
    pub(super) fn next_check(&self) -> Instant {
        let step = self.patience.step();
        let ping = match &self.ping {
            Ping::None => Some(self.ping_due()),
            Ping::Queued => None,
            Ping::Out(waited) => Some(waited.checked + step),
        };
        let stall = self.stall.as_ref().map(|stall| stall.checked + step);
        let due = ping.into_iter().chain(stall).min();
        due.unwrap_or_else(|| self.quiet_since + self.patience.max_silence)
    }

    fn ping_due(&self) -> Instant {
        self.quiet_since.min(self.last_sent) + self.patience.ping_after
    }
}

/// Time that was really waited: however late a look is, it counts as one step.
#[derive(Debug)]
struct Waited {
    checked: Instant,
    total: Duration,
}

impl Waited {
    fn from(now: Instant) -> Self {
        Self { checked: now, total: Duration::ZERO }
    }

    /// Adds the time until now; returns whether another whole step has been waited.
    fn until(&mut self, now: Instant, step: Duration) -> bool {
        let before = self.total;
        self.total += now.saturating_duration_since(self.checked).min(step);
        self.checked = now;
        self.total.div_duration_f64(step).floor() > before.div_duration_f64(step).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection, and the seconds since it began.
    struct Trial {
        liveness: Liveness,
        began: Instant,
    }

    impl Trial {
        fn new() -> Self {
            let began = Instant::now();
            Self { liveness: Liveness::new(Patience::default(), began), began }
        }

        fn judge(&mut self, secs: u64) -> Verdict {
            self.judge_reading(secs, true)
        }

        fn judge_reading(&mut self, secs: u64, is_reading: bool) -> Verdict {
            let is_all_sent = !self.liveness.is_blocked;
            self.liveness.judge(self.began + Duration::from_secs(secs), is_reading, is_all_sent)
        }

        /// Looks whenever it is time to, until there is something to do; when that is, and what.
        fn next(&mut self) -> (u64, Verdict) {
            loop {
                let secs = (self.liveness.next_check() - self.began).as_secs();
                match self.judge(secs) {
                    Verdict::Alive | Verdict::Blocked => {}
                    verdict => return (secs, verdict),
                }
            }
        }

        /// The ping that is due now is sent.
        fn pinged(&mut self, secs: u64) {
            self.liveness.sent();
            assert_eq!(self.judge(secs), Verdict::Alive);
        }
    }

    #[test]
    fn a_silent_peer_is_pinged_after_45_s_and_gone_after_60() {
        let mut trial = Trial::new();
        assert_eq!(trial.next(), (45, Verdict::PingDue));
        trial.pinged(45);
        assert_eq!(trial.next(), (60, Verdict::Silent));
    }

    #[test]
    fn whoever_answers_is_pinged_again_45_s_later() {
        let mut trial = Trial::new();
        for round in 0..3 {
            assert_eq!(trial.next(), (45 + round * 45, Verdict::PingDue));
            trial.pinged(45 + round * 45);
            trial.liveness.received();
            assert_eq!(trial.judge(45 + round * 45), Verdict::Alive);
        }
    }

    /// A proxy looks at each direction alone.
    #[test]
    fn neither_direction_is_without_a_byte_for_more_than_45_s() {
        let mut trial = Trial::new();
        for secs in (10..=40).step_by(10) {
            trial.liveness.received();
            assert_eq!(trial.judge(secs), Verdict::Alive);
        }
        assert_eq!(trial.next(), (45, Verdict::PingDue), "nothing was sent");
        let mut trial = Trial::new();
        for secs in (10..=40).step_by(10) {
            trial.liveness.sent();
            assert_eq!(trial.judge(secs), Verdict::Alive);
        }
        assert_eq!(trial.next(), (45, Verdict::PingDue), "nothing came");
    }

    #[test]
    fn a_standstill_counts_for_nobody() {
        let mut trial = Trial::new();
        assert_eq!(trial.judge(3600), Verdict::PingDue);
        trial.pinged(3600);
        assert_eq!(trial.judge(3605), Verdict::Alive);
        // Again, with the ping out.
        assert_eq!(trial.judge(9000), Verdict::Alive);
        assert_eq!(trial.next(), (9005, Verdict::Silent), "a ping is out for its time, whatever happens meanwhile");
    }

    #[test]
    fn silence_counts_only_while_there_is_reading() {
        let mut trial = Trial::new();
        for secs in 1..200 {
            match trial.judge_reading(secs, false) {
                Verdict::Alive => {}
                Verdict::PingDue => trial.liveness.sent(),
                verdict => panic!("{verdict:?} after {secs} s"),
            }
        }
        assert_eq!(trial.judge(200), Verdict::Alive);
        // Nobody waited for the ping that was sent at 184 s.
        assert_eq!(trial.next(), (229, Verdict::PingDue));
        trial.pinged(229);
        assert_eq!(trial.next(), (259, Verdict::Silent), "60 s after reading began again");
    }

    #[test]
    fn whoever_takes_bytes_lives_and_whoever_takes_none_is_stalled() {
        let mut trial = Trial::new();
        for secs in (0..600).step_by(50) {
            trial.liveness.blocked();
            for between in (secs..secs + 50).step_by(5) {
                let is_first = between == secs;
                match trial.judge(between) {
                    Verdict::Alive => assert!(is_first, "{between} s"),
                    Verdict::Blocked => assert!(!is_first, "{between} s"),
                    Verdict::PingDue => {}
                    verdict => panic!("{verdict:?} after {between} s"),
                }
            }
            trial.liveness.sent();
            assert_eq!(trial.judge(secs + 50), Verdict::Alive);
        }
        trial.liveness.blocked();
        assert_eq!(trial.judge(600), Verdict::Alive);
        assert_eq!(trial.next(), (645, Verdict::PingDue));
        assert_eq!(trial.next(), (690, Verdict::Stalled), "the ping is not even out");
    }
}
