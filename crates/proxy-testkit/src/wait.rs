//! Waiting for a state with a deadline, which tests do instead of sleeping.

use std::time::Duration;

/// Asks `reached` every 5 ms until it says yes.
///
/// # Panics
/// When it has not after `deadline`; the message shows where the wait was.
#[track_caller]
pub fn wait_until(deadline: Duration, reached: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let wait = async {
            while !reached() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(deadline, wait).await.is_err() {
            panic!("the state awaited at {caller} was not reached within {deadline:?}");
        }
    }
}
