//! Who is online, as each of those who come at the same time is told.

use futures_util::future::join_all;

use crate::support::person;
use crate::support::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_come_together_each_is_counted_once_or_told_once() {
    const PEOPLE: u8 = 60;
    for _ in 0..5 {
        let server = TestServer::start().await;
        let mut clients = join_all((1..=PEOPLE).map(|number| server.connect(person(number)))).await;
        for client in &mut clients {
            let counted = client.hello["d"]["online_count"].as_u64().expect("a number");
            let told = client.events().await;
            assert!(told.iter().all(|event| event["t"] == "zync.core.user.join"), "{told:?}");
            assert_eq!(counted + told.len() as u64, u64::from(PEOPLE));
        }
    }
}
