//! Charts, through the host's registry policy and the step's grant.

use std::sync::Arc;

use charts::Fetched;
use serde_json::json;
use wasmtime::component::Resource as Handle;

use super::{Answer, Call, failure, invalid};
use crate::bindings::launchway::bootstrap::charts as contract;
use crate::chart_links;
use crate::module::StepState;

/// A chart that was fetched for a module.
pub struct FetchedChart {
    pub fetched: Arc<Fetched>,
    pub reference: String,
}

impl contract::Host for StepState {
    async fn fetch(&mut self, reference: String, version: Option<String>) -> wasmtime::Result<Answer<Handle<FetchedChart>>> {
        let powers = self.enter("charts.fetch")?;
        match fetch(&powers, &reference, version.as_deref()).await {
            Ok(chart) => Ok(Ok(self.push(chart)?)),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

async fn fetch(powers: &Call, reference: &str, version: Option<&str>) -> Answer<FetchedChart> {
    powers.gate.chart(reference).map_err(|denied| powers.refuse("charts.fetch", denied))?;
    let found = powers.charts.of_text(reference, version).map_err(invalid)?;
    if let Some(inside) = powers.charts.inside(&found) {
        chart_links::check(&powers.gate, &powers.repository, &inside).map_err(|denied| powers.refuse("charts.fetch", denied))?;
    }
    let fetched = powers.charts.fetch(&found).await.map_err(|message| failure("not-found", message))?;
    Ok(FetchedChart { fetched, reference: found.to_string() })
}

impl FetchedChart {
    fn file(&self, path: &str) -> Answer<&[u8]> {
        let chart = &self.fetched.chart;
        let file = chart.templates.iter().chain(&chart.files).find(|file| file.name == path);
        file.map(|file| &*file.data).ok_or_else(|| failure("not-found", format!("{}: has no file {path}", self.reference)))
    }
}

impl contract::HostChart for StepState {
    async fn info(&mut self, this: Handle<FetchedChart>) -> wasmtime::Result<String> {
        let chart = self.table.get(&this)?;
        let metadata = &chart.fetched.chart.metadata;
        Ok(json!({
            "name": metadata.name, "version": metadata.version, "appVersion": metadata.app_version, "reference": chart.reference,
        })
        .to_string())
    }

    async fn digest(&mut self, this: Handle<FetchedChart>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.fetched.digest.clone())
    }

    async fn paths(&mut self, this: Handle<FetchedChart>) -> wasmtime::Result<Vec<String>> {
        let chart = &self.table.get(&this)?.fetched.chart;
        let mut paths: Vec<String> = chart.templates.iter().chain(&chart.files).map(|file| file.name.clone()).collect();
        paths.sort();
        Ok(paths)
    }

    async fn read_text(&mut self, this: Handle<FetchedChart>, path: String) -> wasmtime::Result<Answer<String>> {
        let chart = self.table.get(&this)?;
        Ok(chart.file(&path).and_then(|bytes| String::from_utf8(bytes.to_vec()).map_err(|_| invalid(format!("{path}: is not UTF-8 text")))))
    }

    async fn read_bytes(&mut self, this: Handle<FetchedChart>, path: String) -> wasmtime::Result<Answer<Vec<u8>>> {
        let chart = self.table.get(&this)?;
        Ok(chart.file(&path).map(<[u8]>::to_vec))
    }

    async fn drop(&mut self, this: Handle<FetchedChart>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
