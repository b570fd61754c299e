//! S3: one bucket's objects.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::AwsError;
use crate::config::{retries, timeouts};

/// What a conditional put found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The object is new.
    Created,
    /// The key was taken and is unchanged; possibly by an earlier try of this very call whose reply was lost.
    AlreadyThere,
}

/// One bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket `name`. With an endpoint of its own (`AWS_ENDPOINT_URL`) it is addressed by path: local
    /// emulators have no name per bucket.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        let config = aws_sdk_s3::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .interceptor(cloudapp_aws_calls::Observed)
            .force_path_style(config.endpoint_url().is_some())
            .build();
        Self { client: Client::from_conf(config), name: name.into() }
    }

    /// Writes an object, over what was there.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put(&self, key: &str, body: Bytes, content_type: &str) -> Result<(), AwsError> {
        self.client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::from_sdk("s3:PutObject", error))
    }

    /// Writes an object only where there is none: of many callers at once, one creates it.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put_if_absent(
        &self,
        key: &str,
        body: Bytes,
        content_type: &str,
    ) -> Result<Placed, AwsError> {
        let reply = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .if_none_match("*")
            .body(ByteStream::from(body))
            .send()
            .await;
        match reply {
            Ok(_) => Ok(Placed::Created),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(Placed::AlreadyThere),
            Err(error) => Err(AwsError::from_sdk("s3:PutObject", error)),
        }
    }

    /// Reads a whole object; none if there is none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, AwsError> {
        match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(object) => {
                let body = object.body.collect().await;
                body.map(|body| Some(body.into_bytes())).map_err(|error| AwsError {
                    operation: "s3:GetObject",
                    code: None,
                    retryable: true,
                    source: error.into(),
                })
            }
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(AwsError::from_sdk("s3:GetObject", error)),
        }
    }

    /// The keys that begin with `prefix`, sorted, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        let mut pages =
            self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_sdk("s3:ListObjectsV2", error))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// Removes an object; none is fine.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn delete(&self, key: &str) -> Result<(), AwsError> {
        self.client
            .delete_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::from_sdk("s3:DeleteObject", error))
    }
}
