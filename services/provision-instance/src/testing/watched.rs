//! The ports with a moment before and after each call, so that a proof can kill a run there: after the call means that
//! it took effect and its answer was never seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cloudapp_domain::{Ec2InstanceId, Installation};
use cloudapp_ec2::{Ec2Error, LaunchRequest, Machine, Page, Shutdown, Subnet};
use cloudapp_workflow::Moments;

use crate::ports::{CertificateError, CertificateOrder, LoginCertificates, Machines};

/// What is behind, watched.
pub(super) struct Watched<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) moments: Moments,
}

impl<T: ?Sized> Watched<T> {
    async fn call<A>(&self, name: &str, call: impl Future<Output = A>) -> A {
        self.moments.pass(|| format!("before {name}"));
        let answer = call.await;
        self.moments.pass(|| format!("after {name}"));
        answer
    }
}

#[async_trait]
impl<T: Machines + ?Sized> Machines for Watched<T> {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error> {
        self.call("launch", self.inner.launch(request)).await
    }

    async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        self.call("describe", self.inner.describe(ids)).await
    }

    async fn describe_managed(
        &self,
        installation: &Installation,
        next: Option<String>,
    ) -> Result<Page, Ec2Error> {
        self.call("describe_managed", self.inner.describe_managed(installation, next)).await
    }

    async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error> {
        self.call("describe_by_token", self.inner.describe_by_token(client_token)).await
    }

    async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        self.call("start", self.inner.start(ids)).await
    }

    async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.call("stop", self.inner.stop(ids, how)).await
    }

    async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.call("terminate", self.inner.terminate(ids, how)).await
    }

    async fn tag(&self, ids: &[Ec2InstanceId], tags: &BTreeMap<String, String>) -> Result<(), Ec2Error> {
        self.call("tag", self.inner.tag(ids, tags)).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error> {
        self.call("subnets", self.inner.subnets(ids)).await
    }
}

#[async_trait]
impl<T: LoginCertificates + ?Sized> LoginCertificates for Watched<T> {
    fn check(&self, public_key: &str) -> Result<(), CertificateError> {
        self.inner.check(public_key)
    }

    async fn sign(&self, order: &CertificateOrder) -> Result<String, CertificateError> {
        self.call("sign", self.inner.sign(order)).await
    }

    async fn authority(&self) -> Result<String, CertificateError> {
        self.call("authority", self.inner.authority()).await
    }
}
