//! `/metrics`: the figures of the last reading in the OpenMetrics text format.
//!
//! Families are written from what exists at the moment of the scrape, so the series of a node that is gone are gone too.
//! Labels are bounded by the configuration (node, tenant) or by the program (version, reason, state, direction): never an
//! address, a guild, a user agent or a path.

mod alerts;
mod families;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use proxy_gateway::moves::Durations;

use crate::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older format, which everything that scrapes understands.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures for Prometheus, in the OpenMetrics text format
#[utoipa::path(get, path = "/metrics", tag = "metrics", responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> ([(HeaderName, &'static str); 1], String) {
    let mut registry = Registry::with_prefix("lavalink_proxy");
    registry.register_collector(Box::new(Scrape(families::all(&app))));
    let mut body = String::new();
    // A text takes whatever is written to it, so this fails only if an encoding above does.
    if let Err(error) = text::encode(&mut body, &registry) {
        tracing::error!(%error, "metrics cannot be written");
    }
    // Who does not accept that gets the older text format.
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let open = accepted
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("application/openmetrics-text"));
    if open {
        ([(header::CONTENT_TYPE, OPEN_METRICS)], body)
    } else {
        ([(header::CONTENT_TYPE, TEXT)], older(&body))
    }
}

/// The older format knows no units and no end, and a counter's family is called as its series are.
fn older(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        // What a family is stands in the line behind its help.
        let counts = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        if counts(line) || (line.starts_with("# HELP ") && lines.peek().is_some_and(|next| counts(next))) {
            let mut words = line.splitn(4, ' ');
            let (hash, what, name, rest) = (words.next(), words.next(), words.next(), words.next());
            let words = [hash, what, name].map(Option::unwrap_or_default).join(" ");
            text.push_str(&format!("{words}_total {}\n", rest.unwrap_or_default()));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

type Labels = Vec<(&'static str, Arc<str>)>;

#[derive(Clone, Copy, Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Durations(Durations),
}

/// One family and its series.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    series: Vec<(Labels, Value)>,
}

impl Family {
    fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            unit: None,
            kind: MetricType::Counter,
            series: Vec::new(),
        }
    }

    fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: MetricType::Gauge,
            ..Self::counter(name, help)
        }
    }

    fn histogram(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: MetricType::Histogram,
            ..Self::counter(name, help)
        }
    }

    fn unit(self, unit: Unit) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    fn with(mut self, labels: Labels, value: Value) -> Self {
        self.series.push((labels, value));
        self
    }

    fn series(self, series: impl IntoIterator<Item = (Labels, Value)>) -> Self {
        Self {
            series: series.into_iter().collect(),
            ..self
        }
    }
}

/// What one scrape shows.
#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.series.is_empty()) {
            let mut metrics = encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)?;
            for (labels, value) in &family.series {
                if labels.is_empty() {
                    write(&mut metrics, *value)?;
                } else {
                    write(&mut metrics.encode_family(labels)?, *value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(metric: &mut MetricEncoder<'_>, value: Value) -> fmt::Result {
    match value {
        Value::Counter(count) => metric.encode_counter::<NoLabelSet, _, u64>(&count, None),
        Value::Gauge(figure) => metric.encode_gauge(&figure),
        Value::Durations(Durations { within, count, sum }) => {
            // The encoder adds them up, and wants a last bucket for what is beyond all bounds.
            let beyond = count.saturating_sub(within.iter().sum());
            let bounds = Durations::BOUNDS.into_iter().chain([f64::MAX]);
            let buckets: Vec<_> = bounds.zip(within.into_iter().chain([beyond])).collect();
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn the_older_format_names_counters_as_their_series() {
        let open = "# HELP a Things of one kind.\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                    # HELP b_bytes Memory.\n# TYPE b_bytes gauge\n# UNIT b_bytes bytes\nb_bytes 1.0\n# EOF\n";
        let text = "# HELP a_total Things of one kind.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                    # HELP b_bytes Memory.\n# TYPE b_bytes gauge\nb_bytes 1.0\n";
        assert_eq!(older(open), text);
    }
}
