//! When a helper program of the kit has to end, so that none is left behind by whoever started it.

use std::io::Read as _;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Resolves on SIGTERM, on SIGINT (Ctrl-C), and when standard input ends: a parent that dies closes it.
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn requested() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = input_ended() => {}
    }
    Ok(())
}

/// Reads standard input to its end on a thread of its own, which the process's end does not wait for.
async fn input_ended() {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        // An error (no standard input at all) counts as its end.
        while matches!(std::io::stdin().read(&mut buffer), Ok(read) if read > 0) {}
        // Nobody waits any more when a signal came first.
        let _ = sender.send(());
    });
    let _ = ended.await;
}
