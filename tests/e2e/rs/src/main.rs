//! Sends a plan with posthog-rs: JSON on standard input, what went wrong as JSON on standard output.
//! The plan's form is told in ../../sdk.py. Capture V1 is a feature of the crate, so of this program.
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthog_rs::{CaptureCompression, CaptureExceptionOptions, Client, ClientOptionsBuilder, Event};
use serde::Deserialize;
use serde_json::{json, Map, Value};

type Failure = Box<dyn Error>;

#[derive(Deserialize)]
struct Plan {
    host: String,
    key: String,
    batch: usize,
    gzip: bool,
    encoding: Option<String>,
    historical: bool,
    retries: u32,
    pace_ms: u64,
    immediate: bool,
    events: Vec<Told>,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Told {
    event: String,
    distinct_id: String,
    uuid: uuid::Uuid,
    timestamp: chrono::DateTime<chrono::Utc>,
    properties: Map<String, Value>,
    groups: Map<String, Value>,
}

/// Something else than a capture.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "lowercase")]
enum Call {
    Set { distinct_id: String, set: Value, set_once: Value },
    Alias { distinct_id: String, alias: String },
    Group { r#type: String, key: String, set: Value },
    Exception { distinct_id: String, message: String, place: String },
}

#[derive(Debug)]
struct TypeError(String);

impl fmt::Display for TypeError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for TypeError {}

fn make_event(told: Told) -> Result<Event, Failure> {
    let mut event = Event::new(told.event, told.distinct_id);
    event.set_uuid(told.uuid);
    event.set_timestamp(told.timestamp)?;
    for (name, value) in told.properties {
        event.insert_prop(name, value)?;
    }
    for (kind, key) in &told.groups {
        event.add_group(kind, key.as_str().ok_or("a group's key is a text")?);
    }
    Ok(event)
}

fn compression(plan: &Plan) -> Result<Option<CaptureCompression>, Failure> {
    Ok(match plan.encoding.as_deref() {
        None if plan.gzip => Some(CaptureCompression::Gzip),
        None => None,
        Some("gzip") => Some(CaptureCompression::Gzip),
        Some("deflate") => Some(CaptureCompression::Deflate),
        Some("br") => Some(CaptureCompression::Br),
        Some("zstd") => Some(CaptureCompression::Zstd),
        Some(other) => return Err(format!("no encoding {other}").into()),
    })
}

async fn make_client(plan: &Plan, errors: Arc<Mutex<Vec<String>>>) -> Result<Client, Failure> {
    let mut options = ClientOptionsBuilder::default();
    options
        .api_key(plan.key.clone())
        .host(plan.host.clone())
        .flush_at(plan.batch)
        .max_batch_size(plan.batch)
        .flush_interval_ms(200)
        .max_capture_attempts(plan.retries + 1)
        .retry_initial_backoff_ms(250)
        .retry_max_backoff_ms(1000)
        .shutdown_timeout_ms(100_000)
        .on_error(move |failure| errors.lock().unwrap().push(format!("{failure:?}")));
    if let Some(algorithm) = compression(plan)? {
        options.capture_compression(algorithm);
    }
    Ok(posthog_rs::client(options.build()?).await)
}

async fn make_call(client: &Client, call: Call) -> Result<(), Failure> {
    match call {
        Call::Set { distinct_id, set, set_once } => {
            let mut event = Event::new("$set".to_string(), distinct_id);
            event.insert_prop("$set", set)?;
            event.insert_prop("$set_once", set_once)?;
            client.capture(event);
        }
        Call::Alias { distinct_id, alias } => client.alias(distinct_id, alias),
        Call::Group { r#type, key, set } => client.group_identify(r#type, key, set)?,
        Call::Exception { distinct_id, message, place } => {
            let options = CaptureExceptionOptions::new()
                .distinct_id(distinct_id)
                .property("place", place)?;
            client.capture_exception_with(&TypeError(message), options).await?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut plan: Plan = serde_json::from_reader(std::io::stdin())?;
    let errors = Arc::new(Mutex::new(Vec::new()));
    let client = make_client(&plan, errors.clone()).await?;
    let events = std::mem::take(&mut plan.events)
        .into_iter()
        .map(make_event)
        .collect::<Result<Vec<_>, _>>()?;
    if plan.historical {
        client.capture_batch(events, true);
    } else {
        for event in events {
            if plan.immediate {
                let summary = client.capture_immediate(event).await?;
                if !summary.all_persisted() {
                    errors.lock().unwrap().push(format!("{summary:?}"));
                }
            } else {
                client.capture(event);
            }
            tokio::time::sleep(Duration::from_millis(plan.pace_ms)).await;
        }
    }
    for call in std::mem::take(&mut plan.calls) {
        make_call(&client, call).await?;
    }
    client.shutdown().await;
    let lock = include_str!("../Cargo.lock");
    let version = lock
        .split("name = \"posthog-rs\"\nversion = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    println!("{}", json!({"errors": *errors.lock().unwrap(), "version": version}));
    Ok(())
}
