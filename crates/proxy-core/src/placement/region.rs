//! How near a node is to a Discord voice region. Not a measurement: Discord chooses the region for the people in the
//! channel, and the operator says which regions a node is near, so this is a preference and never an exclusion.

use crate::pool::NodeView;

/// A voice region or a group of them, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region(Box<str>);

impl Region {
    /// From the configuration: a Discord name (`rotterdam`, `us-east`) or a group (`eu`, `us`, `asia`).
    pub fn new(name: &str) -> Self {
        Self(name.trim().to_ascii_lowercase().into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Groups, and the names that stand for a place in them: cities and areas that Discord's voice endpoints begin with,
/// and airport codes as in `c-fra12-...`.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "eu",
        &[
            "amsterdam",
            "bucharest",
            "dublin",
            "europe",
            "finland",
            "frankfurt",
            "helsinki",
            "london",
            "madrid",
            "milan",
            "paris",
            "rotterdam",
            "stockholm",
            "warsaw",
            "ams",
            "arn",
            "buh",
            "cdg",
            "dub",
            "fra",
            "hel",
            "lhr",
            "mad",
            "mrs",
            "mxp",
            "otp",
            "rtm",
            "sof",
            "waw",
        ],
    ),
    (
        "us",
        &[
            "atlanta",
            "montreal",
            "newark",
            "oregon",
            "santa-clara",
            "seattle",
            "st-pete",
            "us-central",
            "us-east",
            "us-south",
            "us-west",
            "atl",
            "dfw",
            "ewr",
            "iad",
            "lax",
            "mia",
            "ord",
            "sea",
            "sjc",
            "yul",
            "yyz",
        ],
    ),
    (
        "asia",
        &[
            "dubai",
            "hongkong",
            "india",
            "japan",
            "mumbai",
            "singapore",
            "south-korea",
            "tel-aviv",
            "bom",
            "dxb",
            "hkg",
            "hnd",
            "icn",
            "maa",
            "nrt",
            "sin",
            "tlv",
        ],
    ),
    ("oceania", &["sydney", "syd"]),
    (
        "southamerica",
        &["brazil", "buenos-aires", "santiago", "bog", "eze", "gru", "scl"],
    ),
    ("africa", &["southafrica", "jnb"]),
];

/// The region that a voice endpoint names: `rotterdam11092.discord.media:443` is `rotterdam`, `c-fra12-8f60.discord.media`
/// is `fra`. `None` for what is no such name.
pub fn of_endpoint(endpoint: &str) -> Option<&str> {
    let host = endpoint.rsplit_once("//").map_or(endpoint, |(_, host)| host);
    let label = host.split('.').next()?;
    let place = match label.strip_prefix("c-") {
        Some(coded) => coded.split('-').next()?,
        None => label,
    };
    let name = place.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    (host.len() > label.len() && !name.is_empty()).then_some(name)
}

/// The region of an endpoint that is Discord's own: what is learned of it holds for other players too, so another host
/// must not be taken for it.
pub fn of_discord(endpoint: &str) -> Option<&str> {
    let host = endpoint.rsplit_once("//").map_or(endpoint, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let discord = host.ends_with(".discord.media") || host.ends_with(".discord.gg");
    of_endpoint(endpoint).filter(|_| discord)
}

/// The group that a region belongs to; a group is its own.
fn group_of(region: &str) -> Option<&'static str> {
    let in_group = |(group, places): &&(&str, &[&str])| *group == region || places.contains(&region);
    GROUPS.iter().find(in_group).map(|(group, _)| *group)
}

/// What nearness adds to a node's score, counted in players: a node in the region itself may have five players more
/// than one in its group, 25 more than one that says nothing, and 500 more than one elsewhere.
pub fn penalty(node: &NodeView, wanted: Option<&str>) -> f64 {
    wanted.map_or(0.0, |wanted| distance(&node.regions, wanted))
}

fn distance(regions: &[Region], wanted: &str) -> f64 {
    let group = group_of(wanted);
    if regions.iter().any(|region| region.as_str() == wanted) {
        0.0
    } else if group.is_some() && regions.iter().any(|region| group_of(region.as_str()) == group) {
        5.0
    } else if regions.is_empty() {
        25.0
    } else {
        500.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_an_endpoint_is_its_place() {
        let cases = [
            ("rotterdam11092.discord.media:443", Some("rotterdam")),
            ("us-east1234.discord.media", Some("us-east")),
            ("c-fra12-8f60c4d1.discord.media:2053", Some("fra")),
            ("wss://brazil99.discord.media", Some("brazil")),
            ("127.0.0.1:4000", None),
            ("localhost", None),
            ("", None),
            ("c-.discord.media", None),
        ];
        for (endpoint, expected) in cases {
            assert_eq!(of_endpoint(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn only_discords_own_endpoints_teach() {
        let cases = [
            ("rotterdam11092.discord.media:443", Some("rotterdam")),
            ("wss://brazil99.discord.gg", Some("brazil")),
            ("rotterdam1.discord.media.example.org:443", None),
            ("rotterdam1.example.org", None),
            ("127.0.0.1:4000", None),
        ];
        for (endpoint, expected) in cases {
            assert_eq!(of_discord(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn nearer_nodes_are_preferred_and_none_is_excluded() {
        let cases: &[(&[&str], &str, f64)] = &[
            (&["Rotterdam", "eu"], "rotterdam", 0.0),
            (&["eu"], "rotterdam", 5.0),
            (&["frankfurt"], "ams", 5.0),
            (&["eu"], "eu", 0.0),
            (&[], "rotterdam", 25.0),
            (&["us"], "rotterdam", 500.0),
            (&["us"], "atlantis", 500.0),
            (&["atlantis"], "atlantis", 0.0),
        ];
        for (regions, wanted, expected) in cases {
            let regions: Vec<Region> = regions.iter().map(|name| Region::new(name)).collect();
            assert_eq!(distance(&regions, wanted), *expected, "{regions:?} {wanted}");
        }
    }
}
