//! `docs/errors.md` names every reason under which a refusal or a close is counted.

use proxy_gateway::error::Refusals;

#[test]
fn every_reason_is_documented() {
    let document = include_str!("../../../../../docs/errors.md");
    let missing: Vec<_> = Refusals::default()
        .iter()
        .map(|(reason, _)| reason)
        .filter(|reason| !document.contains(&format!("`{reason}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}
