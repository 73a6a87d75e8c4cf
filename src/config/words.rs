//! Variables that are one word of a few.

/// A choice between a few words.
pub(super) trait Word: Copy + 'static {
    /// The choices with their words, in the order in which people read them.
    const CHOICES: &'static [(&'static str, Self)];

    /// The choice that `text` names, exactly.
    fn from_word(text: &str) -> Option<Self> {
        Self::CHOICES.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The words of all choices.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Word for $name {
            const CHOICES: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }
    };
}

words! {
    /// `ENV`: what the server is run for.
    Deployment {
        /// To try it: faults that only matter in the open are warnings.
        Dev = "dev",
        /// For people who rely on it.
        Prod = "prod",
    }
}

words! {
    /// `LOG_LEVEL`: how much is logged.
    LogLevel {
        /// Everything, each frame's type too; never content.
        Trace = "trace",
        /// What helps to find a fault.
        Debug = "debug",
        /// What happened.
        Info = "info",
        /// What should not have happened, and was dealt with.
        Warn = "warn",
        /// What could not be dealt with.
        Error = "error",
    }
}

words! {
    /// `LOG_FORMAT`: for whom log lines are written.
    LogFormat {
        /// For people.
        Human = "human",
        /// For collectors: one JSON object a line.
        Json = "json",
    }
}

words! {
    /// `SESSION_EXPIRY`: what happens when the token of a live session expires.
    SessionExpiry {
        /// The session ends with close code 4001, unless Central is away.
        Enforce = "enforce",
        /// Nothing, as in the reference.
        Ignore = "ignore",
    }
}

words! {
    /// `CHAIN_ACCESS`: who may read full entries of the log chain.
    ChainAccess {
        /// Members and auditors, with a token.
        Members = "members",
        /// Everyone.
        Public = "public",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_read_from_its_own_word_only() {
        for (word, level) in LogLevel::CHOICES {
            assert_eq!(LogLevel::from_word(word), Some(*level));
            assert_eq!(level.as_str(), *word);
        }
        assert_eq!(LogLevel::from_word("INFO"), None);
        assert_eq!(LogLevel::from_word(""), None);
    }
}
