//! A typed client of the control endpoint, for tests and for the launcher.

use std::time::Duration;

use reqwest::{Client, Method};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Capacity, IdleReported, InstanceView, Milestones, NextBootOutcome, SaidIdle};
use crate::{
    config::{BootOutcome, Settings},
    faults::Fault,
    ledger::{LedgerEntry, Tally},
    model::lifecycle::Happening,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the control endpoint did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It was not reached, or answered something else.
    #[error("the simulator's control endpoint: {0}")]
    Http(#[from] reqwest::Error),
    /// It refused.
    #[error("the simulator refused: {status} {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        body: String,
    },
}

/// A client for one simulator.
#[derive(Debug, Clone)]
pub struct Control {
    base: String,
    http: Client,
}

impl Control {
    /// For the simulator at this endpoint, the one that EC2's clients use as well.
    ///
    /// # Errors
    /// The HTTP client could not be made.
    pub fn new(endpoint: &str) -> Result<Self, reqwest::Error> {
        let http = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { base: format!("{}/_simulator", endpoint.trim_end_matches('/')), http })
    }

    /// Plants a fault.
    ///
    /// # Errors
    /// The simulator was not reached or refused; so for all that follow.
    pub async fn add_fault(&self, fault: &Fault) -> Result<(), ControlError> {
        self.send(Method::POST, "/faults", Some(fault)).await.map(drop)
    }

    /// The faults that are still to come.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn faults(&self) -> Result<Vec<Fault>, ControlError> {
        self.get("/faults").await
    }

    /// Removes all faults.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn clear_faults(&self) -> Result<(), ControlError> {
        self.send(Method::DELETE, "/faults", None::<&()>).await.map(drop)
    }

    /// Limits how many more machines of a type fit into a zone.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn set_capacity(&self, capacity: &Capacity) -> Result<(), ControlError> {
        self.send(Method::PUT, "/capacity", Some(capacity)).await.map(drop)
    }

    /// Every call so far.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn ledger(&self) -> Result<Vec<LedgerEntry>, ControlError> {
        self.get("/ledger").await
    }

    /// Forgets the calls so far.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn clear_ledger(&self) -> Result<(), ControlError> {
        self.send(Method::DELETE, "/ledger", None::<&()>).await.map(drop)
    }

    /// The calls so far, counted by action and outcome.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn tallies(&self) -> Result<Vec<Tally>, ControlError> {
        self.get("/tallies").await
    }

    /// When each machine got how far.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn milestones(&self) -> Result<Vec<Milestones>, ControlError> {
        self.get("/milestones").await
    }

    /// Every machine, also those that EC2's clients cannot see yet.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn instances(&self) -> Result<Vec<InstanceView>, ControlError> {
        self.get("/instances").await
    }

    /// One machine.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn instance(&self, id: &str) -> Result<InstanceView, ControlError> {
        self.get(&format!("/instances/{id}")).await
    }

    /// Decides how a machine's next boot ends.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn set_boot_outcome(&self, id: &str, outcome: BootOutcome) -> Result<(), ControlError> {
        let path = format!("/instances/{id}/boot-outcome");
        self.send(Method::POST, &path, Some(&NextBootOutcome { outcome })).await.map(drop)
    }

    /// Lets a machine report its use once, as its timer would; the status that it was answered with.
    ///
    /// # Errors
    /// The simulator was not reached, or refused: the machine does not run, or its user data report no use.
    pub async fn report_idle(&self, id: &str, said: SaidIdle) -> Result<u16, ControlError> {
        let path = format!("/instances/{id}/idle-report");
        let reported: IdleReported = self.send(Method::POST, &path, Some(&said)).await?.json().await?;
        Ok(reported.status)
    }

    /// Announces that a spot machine will be taken away.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn interrupt_spot(&self, id: &str) -> Result<(), ControlError> {
        let path = format!("/instances/{id}/spot-interruption");
        self.send(Method::POST, &path, None::<&()>).await.map(drop)
    }

    /// Terminates a machine behind everybody's back.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn terminate_outside(&self, id: &str) -> Result<(), ControlError> {
        let path = format!("/instances/{id}/terminate-outside");
        self.send(Method::POST, &path, None::<&()>).await.map(drop)
    }

    /// Lets something happen to a running machine that no call asked for.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn befall(&self, id: &str, what: Happening) -> Result<(), ControlError> {
        let path = format!("/instances/{id}/happening");
        self.send(Method::POST, &path, Some(&what)).await.map(drop)
    }

    /// The settings in force.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn settings(&self) -> Result<Settings, ControlError> {
        self.get("/settings").await
    }

    /// Changes the settings that `changes` names, member by member, and leaves the others.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn change_settings(&self, changes: &Value) -> Result<Settings, ControlError> {
        Ok(self.send(Method::POST, "/settings", Some(changes)).await?.json().await?)
    }

    /// The certificate, as PEM, that verifies identity documents.
    ///
    /// # Errors
    /// The simulator was not reached or refused.
    pub async fn identity_certificate(&self) -> Result<String, ControlError> {
        Ok(self.send(Method::GET, "/identity-certificate", None::<&()>).await?.text().await?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        Ok(self.send(Method::GET, path, None::<&()>).await?.json().await?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<reqwest::Response, ControlError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        Err(ControlError::Refused { status, body: answer.text().await? })
    }
}
