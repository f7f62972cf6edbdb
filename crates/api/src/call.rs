//! A request, as handlers see it.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::app::Api;
use crate::error::Error;
use crate::lookup;
use topology::InstanceKey;

/// A request: parameters of its path, its query, and who sent it.
pub(crate) struct Call {
    path: Result<Vec<(String, String)>, String>,
    query: Vec<(String, String)>,
    user: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// Who sent a request, as authentication found out.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

impl FromRequestParts<Api> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let path = match RawPathParams::from_request_parts(parts, api).await {
            Ok(params) => Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            Err(rejection) => Err(rejection.body_text()),
        };
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, api).await;
        Ok(Self {
            path,
            query: query.map(|query| query.0).unwrap_or_default(),
            user: parts.extensions.get::<User>().map(|user| user.0.clone()),
            headers: parts.headers.clone(),
        })
    }
}

impl Call {
    /// Returns a parameter of the path; empty when the path has none of this name.
    ///
    /// # Errors
    /// [`Error::BadParameter`] when the path is not UTF-8.
    pub(crate) fn param(&self, name: &str) -> Result<&str, Error> {
        let path = self.path.as_ref().map_err(|why| Error::BadParameter(why.clone()))?;
        Ok(path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value))
    }

    /// Returns a parameter of the query; empty when there is none of this name.
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Returns all parameters of the query, in their order.
    pub(crate) fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the instance in `{host}/{port}`.
    ///
    /// # Errors
    /// [`Error::BadPort`], [`Error::BadHost`].
    pub(crate) fn key(&self) -> Result<InstanceKey, Error> {
        lookup::key(self.param("host")?, self.param("port")?)
    }

    /// Returns the page in `{page}`, the first one when it is missing or no number.
    ///
    /// # Errors
    /// As [`Call::param`].
    pub(crate) fn page(&self) -> Result<store::Page, Error> {
        Ok(store::Page::nth(self.param("page")?.parse().unwrap_or(0)))
    }

    /// Returns who sent the request, as far as authentication found out.
    pub(crate) fn named_user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns who sent the request, or this node where that is not known.
    pub(crate) fn user(&self, api: &Api) -> String {
        self.user.clone().unwrap_or_else(|| api.manager.node().hostname.clone())
    }
}
