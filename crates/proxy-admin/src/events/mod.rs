//! Server-sent events: what a browser watches, pushed once a second as changes. A stream keeps what it sent last and asks
//! for what is new only when its reader has taken that, so a slow reader gets newer values and never a queue.

mod hub;
mod patch;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;

use crate::App;
use crate::login::access::Access;
use crate::server::Lasting;
use crate::view::millis;
use hub::{Content, Delta, Frame, Resource};

pub(crate) use hub::Hub;

/// The routes of the API without the login, whose answers can be watched. Every request has them at hand; the application
/// itself does not, or neither of the two would ever be freed.
#[derive(Clone)]
pub(crate) struct Watchable(pub(crate) Router);

/// Makes what is watched after each reading, for as long as the admin listener runs.
pub(crate) async fn run(app: Arc<App>, Watchable(routes): Watchable, mut readings: watch::Receiver<u64>) {
    let mut making = JoinSet::new();
    while readings.changed().await.is_ok() {
        let at = *readings.borrow_and_update();
        app.hub.tick(&routes, &mut making, at).await;
    }
}

/// A place for one more stream, if there is one.
pub(crate) fn place(app: &App) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&app.hub.places).try_acquire_owned().ok()
}

/// The events of one reader: at once everything that it watches, then each second what changed.
pub(crate) async fn stream(
    app: Arc<App>,
    Watchable(routes): Watchable,
    access: Access,
    targets: &[String],
    place: OwnedSemaphorePermit,
    lasting: Lasting,
) -> Body {
    let mut watches = Vec::new();
    for target in targets {
        watches.push(Watch {
            resource: app.hub.watch(&routes, target, &access).await,
            sent: None,
        });
    }
    let reader = Reader {
        ticks: app.hub.ticks.subscribe(),
        app,
        access,
        watches,
        lasting,
        begun: false,
        _place: place,
    };
    Body::from_stream(reader.events())
}

/// One reader's stream.
struct Reader {
    app: Arc<App>,
    access: Access,
    watches: Vec<Watch>,
    ticks: watch::Receiver<u64>,
    lasting: Lasting,
    begun: bool,
    /// Given back with the stream.
    _place: OwnedSemaphorePermit,
}

struct Watch {
    resource: Arc<Resource>,
    /// What the reader has.
    sent: Option<Arc<Frame>>,
}

impl Reader {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, |mut reader| async move {
            if reader.begun {
                reader.ticks.changed().await.ok()?;
            }
            reader.lasting.progress();
            reader.begun = true;
            // A logout ends what the login had opened.
            reader.app.login.is_still_good(&reader.access).then_some(())?;
            reader.ticks.mark_unchanged();
            let at = millis(reader.app.monitor().at);
            let text = reader.text(at);
            Some((Ok(Bytes::from(text)), reader))
        })
    }

    fn text(&mut self, at: u64) -> String {
        let mut text = String::new();
        for (index, watch) in self.watches.iter_mut().enumerate() {
            let Some(frame) = watch.resource.frame() else {
                continue;
            };
            write_change(&mut text, index, watch.sent.as_deref(), &frame);
            watch.sent = Some(frame);
        }
        event(&mut text, "tick", format_args!("{{\"at\":{at}}}"));
        text
    }
}

fn write_change(text: &mut String, index: usize, sent: Option<&Frame>, frame: &Frame) {
    if let Content::Refused(status, message) = &frame.content {
        let known = sent.is_some_and(|sent| matches!(&sent.content, Content::Refused(known, _) if known == status));
        if !known {
            let refused = json!({"watch": index, "status": status, "message": message});
            event(text, "error", format_args!("{refused}"));
        }
        return;
    }
    let snapshot = |text: &mut String| {
        let value = frame.snapshot();
        event(
            text,
            "snapshot",
            format_args!("{{\"watch\":{index},\"value\":{value}}}"),
        );
    };
    match sent {
        None => snapshot(text),
        Some(sent) if std::ptr::eq(sent, frame) => {}
        Some(sent) => frame.since(sent, |delta| match delta {
            None => snapshot(text),
            Some(Delta::Nothing) => {}
            Some(Delta::Patch(patch)) => {
                event(text, "delta", format_args!("{{\"watch\":{index},\"patch\":{patch}}}"));
            }
        }),
    }
}

/// JSON has no line breaks but in texts, where they are escaped: the data is one line.
fn event(text: &mut String, name: &str, data: std::fmt::Arguments<'_>) {
    // A text takes whatever is written to it.
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
}
