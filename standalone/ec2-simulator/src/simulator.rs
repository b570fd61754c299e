//! The running simulator: the model behind a lock, its clock-work, and what it does in the world outside.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, SystemClock},
    config::{BootOutcome, EventSettings, Home, Settings, SimulatorConfig},
    control::client::Control,
    events::{self, Event, EventKind},
    faults::Faults,
    first_boot::{
        console,
        judge::failing_command,
        report::{self, DueReport},
        user_data::KnownUserData,
    },
    identity::{IdentitySigner, SigningKeyFile},
    journal::{Journal, Remembered},
    ledger::Ledger,
    model::{
        instance::{Instance, InstanceState},
        region::{Effect, Moment, Region},
    },
    server,
    surroundings::Neighbours,
    throttle::Throttle,
    wire::error::Ec2Error,
};

/// The clock-work looks at the clock at least this often, in case it was moved.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);
/// For every call that the simulator makes itself.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or loopback is not to be had.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The folder for its state cannot be used.
    #[error("cannot use the simulator's state in {}: {source}", folder.display())]
    State {
        /// The folder.
        folder: std::path::PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The key that signs identity documents could not be made or read.
    #[error("cannot sign identity documents: {0}")]
    Identity(String),
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// An EC2 endpoint on loopback; it stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Simulator {
    /// Starts one on the machine's clock.
    ///
    /// # Errors
    /// The port is taken, or the state cannot be used.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        Self::start_with_clock(config, Arc::new(SystemClock)).await
    }

    /// Starts one on another clock.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_clock(
        config: SimulatorConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let port = config.port;
        let listen_error = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let (events, outgoing) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(config, clock, events)?);
        tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        tokio::spawn(clockwork(Arc::clone(&shared)));
        tokio::spawn(events::deliver_all(Arc::clone(&shared), outgoing));
        for due in shared.undelivered() {
            tokio::spawn(report::deliver(Arc::clone(&shared), due));
        }
        Ok(Self { address, shared })
    }

    /// The URL for `AWS_ENDPOINT_URL_EC2`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of the control endpoint.
    ///
    /// # Errors
    /// The HTTP client could not be made.
    pub fn control(&self) -> Result<Control, reqwest::Error> {
        Control::new(&self.endpoint())
    }

    /// The certificate, as PEM, that verifies the machines' identity documents.
    #[must_use]
    pub fn identity_certificate_pem(&self) -> String {
        self.shared.certificate_pem.clone()
    }

    /// Runs until `stop` resolves.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        stop.await;
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// What the server, the clock-work and the deliveries share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) http: reqwest::Client,
    pub(crate) signer: IdentitySigner,
    pub(crate) certificate_pem: String,
    pub(crate) user_data: KnownUserData,
    pub(crate) home: Home,
    pub(crate) neighbours: Option<Neighbours>,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) stop: CancellationToken,
    wake: Notify,
    state: Mutex<State>,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) region: Region,
    pub(crate) throttle: Throttle,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) settings: Settings,
    pub(crate) rng: StdRng,
    journal: Journal,
}

impl Shared {
    fn new(
        config: SimulatorConfig,
        clock: Arc<dyn Clock>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Self, StartError> {
        let (mut journal, remembered) = match config.state_dir {
            None => (Journal::none(), Remembered::default()),
            Some(folder) => {
                Journal::open(&folder, clock.now()).map_err(|source| StartError::State { folder, source })?
            }
        };
        let identity_error = |error: &dyn std::fmt::Display| StartError::Identity(error.to_string());
        let key = match remembered.signing_key {
            Some(key) => key,
            None => {
                let key = SigningKeyFile::generate().map_err(|error| identity_error(&error))?;
                journal.write_signing_key(&key).map_err(|error| identity_error(&error))?;
                key
            }
        };
        let mut region = Region::new(config.settings.timings);
        region.restore(remembered.reservations, remembered.instances);
        let rng = config.seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        Ok(Self {
            clock,
            http: http_client()?,
            signer: IdentitySigner::new(&key).map_err(|error| identity_error(&error))?,
            certificate_pem: key.certificate_pem().to_owned(),
            user_data: KnownUserData::default(),
            home: config.home,
            neighbours: config.surroundings.map(Neighbours::new).transpose()?,
            events,
            stop: CancellationToken::new(),
            wake: Notify::new(),
            state: Mutex::new(State {
                region,
                throttle: Throttle::default(),
                faults: Faults::default(),
                ledger: Ledger::default(),
                settings: config.settings,
                rng,
                journal,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the model up to now, lets `act` look at it or change it, writes down what has changed, and
    /// only then lets anybody know. An answer that could not be written down becomes an internal error.
    pub(crate) fn with_state<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut State, DateTime<Utc>) -> T,
    ) -> Result<T, Ec2Error> {
        let (result, effects, written) = {
            let mut state = self.lock();
            let now = self.clock.now();
            state.advance(now, &self.user_data);
            let result = act(&mut state, now);
            let effects = state.region.take_effects();
            (result, effects, state.write_down())
        };
        for effect in effects {
            self.tell(effect);
        }
        self.wake.notify_one();
        written.map(|()| result).map_err(|error| {
            tracing::error!(%error, "the journal cannot be written");
            Ec2Error::new("InternalError", "The change could not be made durable.")
        })
    }

    fn tell(self: &Arc<Self>, effect: Effect) {
        let (instance_id, kind, at) = match effect {
            Effect::Booted { instance_id, boot_id } => {
                tokio::spawn(report::deliver(Arc::clone(self), DueReport { instance_id, boot_id }));
                return;
            }
            Effect::StateChanged { instance_id, state, at } => {
                (instance_id, EventKind::StateChange(state), at)
            }
            Effect::InterruptionWarning { instance_id, at } => {
                (instance_id, EventKind::InterruptionWarning, at)
            }
        };
        // Nobody takes them only when the simulator ends.
        let _ = self.events.send(Event { instance_id, kind, at });
    }

    /// How events are delivered now.
    pub(crate) fn event_settings(&self) -> EventSettings {
        self.lock().settings.events.clone()
    }

    /// The machine and its user data, if it is still in this boot.
    pub(crate) fn instance_in_boot(&self, due: &DueReport) -> Option<(Instance, Option<String>)> {
        let state = self.lock();
        let instance = state.region.get(&due.instance_id)?;
        let boot = instance.boot.as_ref()?;
        let current = instance.state == InstanceState::Running && boot.id == due.boot_id && !boot.reported;
        let reservation = state.region.reservation(&instance.reservation_id);
        current.then(|| (instance.clone(), reservation.and_then(|launch| launch.user_data.clone())))
    }

    /// Notes that the report of this boot is settled.
    pub(crate) fn mark_reported(self: &Arc<Self>, due: &DueReport) {
        let marked = self.with_state(|state, _| {
            let boot = state.region.get_mut(&due.instance_id).and_then(|instance| instance.boot.as_mut());
            if let Some(boot) = boot.filter(|boot| boot.id == due.boot_id) {
                boot.reported = true;
            }
        });
        // Not written down, it is sent once more after a restart; the receiver takes the first.
        drop(marked);
    }

    fn undelivered(&self) -> Vec<DueReport> {
        let waiting = |instance: &Instance| {
            let boot = instance.boot.as_ref()?;
            let is_waiting = boot.outcome.is_some() && !boot.reported;
            is_waiting.then(|| DueReport { instance_id: instance.id.clone(), boot_id: boot.id.clone() })
        };
        self.lock().region.all().filter_map(waiting).collect()
    }
}

impl State {
    /// Lets everything happen that is due, boots included.
    fn advance(&mut self, now: DateTime<Utc>, user_data: &KnownUserData) {
        self.region.advance(&mut Moment { now, rng: &mut self.rng });
        let mut effects = self.region.take_effects();
        for effect in &effects {
            if let Effect::Booted { instance_id, .. } = effect {
                self.carry_out_user_data(instance_id, now, user_data);
            }
        }
        self.region.put_back_effects(&mut effects);
    }

    /// Decides how a boot ends: as it was told to for this machine, or for the next boot of any, or as the
    /// user data say.
    fn carry_out_user_data(&mut self, instance_id: &str, now: DateTime<Utc>, user_data: &KnownUserData) {
        let Some(instance) = self.region.get(instance_id) else { return };
        let reservation = self.region.reservation(&instance.reservation_id);
        let encoded = reservation.and_then(|launch| launch.user_data.as_deref());
        let failing = match user_data.read(encoded) {
            Ok(instructions) => failing_command(&instructions),
            Err(error) => {
                tracing::warn!(instance_id, %error, "cloud-init would not understand these user data");
                None
            }
        };
        let queued = &mut self.settings.next_boot_outcomes;
        let told = instance.next_boot_outcome.or_else(|| (!queued.is_empty()).then(|| queued.remove(0)));
        let by_itself = if failing.is_some() { BootOutcome::Failure } else { BootOutcome::Success };
        let outcome = told.unwrap_or(by_itself);
        let log = (outcome == BootOutcome::Failure).then(|| console::failure_log(now, failing.as_ref()));
        if let Some(instance) = self.region.get_mut(instance_id) {
            instance.next_boot_outcome = None;
            instance.console = console::console(instance, now, log.as_deref());
            instance.boot_log = log;
            if let Some(boot) = &mut instance.boot {
                boot.outcome = Some(outcome);
            }
        }
    }

    fn write_down(&mut self) -> std::io::Result<()> {
        let changes = self.region.take_changes();
        self.journal.write(&self.region, &changes)
    }
}

fn http_client() -> reqwest::Result<reqwest::Client> {
    // Everything it talks to is on this machine: a proxy would only be in the way.
    // Machines do not share connections, and each closes its own.
    reqwest::Client::builder().timeout(CALL_TIMEOUT).pool_max_idle_per_host(0).no_proxy().build()
}

/// Lets things happen when they are due, not only when somebody asks.
async fn clockwork(shared: Arc<Shared>) {
    loop {
        let pause = {
            let due = shared.lock().region.next_due();
            let until = due.map(|due| (due - shared.clock.now()).to_std().unwrap_or_default());
            until.map_or(LONGEST_SLEEP, |until| until.min(LONGEST_SLEEP))
        };
        tokio::select! {
            () = sleep(pause) => {
                // A failure to write has been logged; the change stays in memory and is told.
                drop(shared.with_state(|_, _| ()));
            }
            () = shared.wake.notified() => {}
            () = shared.stop.cancelled() => return,
        }
    }
}
