//! What a configuration version asks for: worked out once per process and version, for versions never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudapp_domain::configuration::ConfigurationSpec;
use cloudapp_domain::{BatchId, ConfigurationId, Failure, FailureCode, Fixer, OnStop};
use cloudapp_ec2::{Ec2Error, LaunchRequest, MANAGED};
use cloudapp_user_data::MachineSettings;

use super::PlacingError;
use super::decide::{Offering, in_order, offerings};
use crate::configurations;
use crate::deps::Deps;

/// A version of a configuration.
pub(super) type Version = (ConfigurationId, i32);

/// What is asked for, for every machine of a version alike.
#[derive(Debug)]
pub(super) struct Recipe {
    id: ConfigurationId,
    spec: ConfigurationSpec,
    user_data: Vec<u8>,
}

/// Recipes of the versions that were asked for lately.
pub(super) struct Recipes(moka::future::Cache<Version, Arc<Recipe>>);

/// Why there is no recipe.
#[derive(Debug)]
pub(super) enum NoRecipe {
    /// There never will be: this is why.
    Never(Failure),
    /// Not now.
    NotNow(PlacingError),
}

impl<E: Into<PlacingError>> From<E> for NoRecipe {
    fn from(error: E) -> Self {
        Self::NotNow(error.into())
    }
}

impl Recipes {
    pub(super) fn new() -> Self {
        Self(moka::future::Cache::new(200))
    }

    /// The recipe of a version and its offerings in order.
    pub(super) async fn get(
        &self,
        deps: &Deps,
        version: Version,
    ) -> Result<(Arc<Recipe>, Vec<Offering>), NoRecipe> {
        let recipe = match self.0.get(&version).await {
            Some(recipe) => recipe,
            None => {
                let recipe = Arc::new(Recipe::work_out(deps, version).await?);
                self.0.insert(version, Arc::clone(&recipe)).await;
                recipe
            }
        };
        let offerings = recipe.offerings(deps).await?;
        Ok((recipe, offerings))
    }
}

impl Recipe {
    async fn work_out(deps: &Deps, (id, version): Version) -> Result<Self, NoRecipe> {
        let spec = configurations::version(&deps.pool, id, version).await?;
        let authority = deps.certificates.authority().await?;
        let mut settings = MachineSettings::new(authority, deps.settings.report_url.clone());
        settings.metadata_base.clone_from(&deps.settings.metadata_base);
        settings.in_use = deps.settings.in_use;
        let user_data = cloudapp_user_data::render(&spec, &settings)
            .map_err(|error| NoRecipe::Never(not_renderable(&error)))?
            .bytes();
        Ok(Self { id, spec, user_data })
    }

    /// The adapter remembers subnets for a while; they may change, unlike the rest.
    async fn offerings(&self, deps: &Deps) -> Result<Vec<Offering>, NoRecipe> {
        let own = &self.spec.subnets;
        let configured = if own.is_empty() { &deps.settings.subnets } else { own };
        match deps.machines.subnets(configured).await {
            Ok(subnets) => Ok(offerings(&self.spec, &in_order(configured, subnets))),
            Err(error @ Ec2Error::Invalid(_)) => Err(NoRecipe::Never(error.failure())),
            Err(error) => Err(error.into()),
        }
    }

    /// What EC2 is asked, in full.
    pub(super) fn frozen(
        &self,
        deps: &Deps,
        batch: BatchId,
        offering: &Offering,
        (client_token, machines): (String, u32),
    ) -> LaunchRequest {
        let spec = &self.spec;
        let mut tags: BTreeMap<String, String> = spec.tags.clone();
        tags.insert(MANAGED.to_owned(), deps.settings.installation.to_string());
        tags.insert("cloudapp:batch".to_owned(), batch.to_string());
        tags.insert("cloudapp:configuration".to_owned(), self.id.to_string());
        let own_groups = &spec.security_groups;
        LaunchRequest {
            client_token,
            image_id: spec.image.image_id(),
            instance_type: offering.instance_type.clone(),
            subnet_id: offering.subnet.as_ref().map(|subnet| subnet.id.clone()),
            zone: None,
            market: offering.market,
            min_count: 1,
            max_count: u16::try_from(machines).unwrap_or(u16::MAX),
            user_data: self.user_data.clone(),
            security_groups: if own_groups.is_empty() {
                deps.settings.security_groups.clone()
            } else {
                own_groups.clone()
            },
            instance_profile: spec.instance_profile.clone(),
            root_volume_gib: u32::from(spec.root_volume_gib),
            tags,
            shutdown_terminates: spec.on_stop == OnStop::Terminate,
        }
    }
}

fn not_renderable(error: &dyn std::error::Error) -> Failure {
    Failure {
        code: FailureCode::ConfigurationRefused,
        sentence: "The start-up instructions of this configuration cannot be made.".to_owned(),
        fixer: Fixer::Admin,
        next_step: "Ask an admin to correct the configuration.".to_owned(),
        detail: Some(error.to_string()),
    }
}
