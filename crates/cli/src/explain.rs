//! What would happen to a cluster, in sentences.

use serde_json::Value;

use crate::failure::Failure;
use crate::options::encoded;
use crate::session::{ask, checked};
use crate::transport::Transport;

/// Asks what would happen to `cluster` now, and why, and returns it as text for people.
///
/// # Errors
/// There is no such cluster, or no answer.
pub async fn explain(cluster: &str, transport: &impl Transport) -> Result<String, Failure> {
    let explanation = checked(ask(transport, &format!("v2/explain/{}", encoded(cluster))).await?)?;
    match explanation["text"].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => {
            let text = |name: &str| explanation[name].as_str().unwrap_or_default();
            let message = format!("{}; {}", text("message"), text("hint"));
            Err(Failure::Refused { message, details: Value::Null })
        }
    }
}
