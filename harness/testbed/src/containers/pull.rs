//! A pull: an image is brought to the engine, and how far it is told every few seconds.
//!
//! Must not decide which image: [`super::images`] does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::CreateImageInfo;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use tokio_stream::StreamExt;

use super::failure::of_pull;
use super::images::{Part, split};
use crate::error::Result;

/// A pull tells of its progress this often.
const TELL_EVERY: Duration = Duration::from_secs(5);

const MB: u64 = 1_000_000;

/// Pulls an image; `note` is told when it begins, and how far it is.
pub(super) async fn pull(part: Part, docker: &Docker, name: &str, note: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
    note(&format!("pulling image {name}, for {part}"));
    let (image, tag) = split(name);
    let options = CreateImageOptionsBuilder::new().from_image(image).tag(tag).build();
    let mut lines = std::pin::pin!(docker.create_image(Some(options), None, None));
    let (mut progress, mut told) = (Progress::default(), Instant::now());
    while let Some(line) = lines.next().await {
        progress.take(&line.map_err(|error| of_pull(part, name, &error))?);
        if told.elapsed() >= TELL_EVERY {
            note(&format!("pulling image {name}: {}", progress.told()));
            told = Instant::now();
        }
    }
    Ok(())
}

/// The layers of an image, as far as the engine has spoken of them.
#[derive(Debug, Default)]
struct Progress {
    layers: BTreeMap<String, Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    bytes: u64,
    bytes_total: u64,
    is_there: bool,
}

impl Progress {
    fn take(&mut self, line: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&line.id, &line.status) else {
            return;
        };
        // The engine also speaks of the tag, as of a layer.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        match status.as_str() {
            "Downloading" => {
                let of = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
                let detail = line.progress_detail.clone().unwrap_or_default();
                (layer.bytes, layer.bytes_total) = (of(detail.current), of(detail.total));
            }
            "Verifying Checksum" | "Download complete" => layer.bytes = layer.bytes_total,
            "Pull complete" | "Already exists" => layer.is_there = true,
            _ => {}
        }
    }

    /// For people. The engine starts a few layers at a time, and says the size of one when it starts it.
    fn told(&self) -> String {
        let sum = |of: fn(&Layer) -> u64| self.layers.values().map(of).sum::<u64>() / MB;
        let there = self.layers.values().filter(|layer| layer.is_there).count();
        format!(
            "{} of {} MB of the layers begun, {there} of {} layers unpacked",
            sum(|layer| layer.bytes),
            sum(|layer| layer.bytes_total),
            self.layers.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn progress_is_the_sum_of_the_layers_that_the_engine_speaks_of() {
        let mut progress = Progress::default();
        for (id, status, detail) in [
            ("17", "Pulling from library/postgres", None),
            ("a", "Pulling fs layer", None),
            ("b", "Pulling fs layer", None),
            ("c", "Already exists", None),
            ("a", "Downloading", Some((10_000_000, 40_000_000))),
            ("b", "Downloading", Some((5_000_000, 20_000_000))),
        ] {
            progress.take(&CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: detail.map(|(current, total)| ProgressDetail {
                    current: Some(current),
                    total: Some(total),
                }),
                ..CreateImageInfo::default()
            });
        }
        assert_eq!(
            progress.told(),
            "15 of 60 MB of the layers begun, 1 of 3 layers unpacked"
        );
        for status in ["Download complete", "Extracting", "Pull complete"] {
            progress.take(&CreateImageInfo {
                id: Some("b".to_owned()),
                status: Some(status.to_owned()),
                ..CreateImageInfo::default()
            });
        }
        assert_eq!(
            progress.told(),
            "30 of 60 MB of the layers begun, 2 of 3 layers unpacked"
        );
    }
}
