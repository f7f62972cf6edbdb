//! Certificates are renewed while the process runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Identity, Security};
use crate::transport::PortError;

/// How long what was read from files counts as new.
const SPAN: Duration = Duration::from_secs(60);

/// One side of TLS, made anew when the files that it comes from changed. What is open stays as it is.
pub(crate) struct Fresh<C> {
    security: Security,
    build: fn(&Identity) -> Result<C, PortError>,
    span: Duration,
    present: Mutex<Present<C>>,
}

struct Present<C> {
    identity: Identity,
    config: Arc<C>,
    looked: Instant,
    /// The last complaint, which is not repeated.
    complaint: String,
}

impl<C> Fresh<C> {
    /// Returns what `build` makes of the identity that `security` asks for; none in the clear.
    ///
    /// # Errors
    /// [`PortError`] when the secret or the files do not serve.
    pub(crate) fn new(
        security: &Security,
        build: fn(&Identity) -> Result<C, PortError>,
    ) -> Result<Option<Self>, PortError> {
        let Some(identity) = security.identity()? else { return Ok(None) };
        let config = Arc::new(build(&identity)?);
        let present = Present { identity, config, looked: Instant::now(), complaint: String::new() };
        Ok(Some(Self { security: security.clone(), build, span: SPAN, present: Mutex::new(present) }))
    }

    /// Returns what applies now. Files that no longer serve leave what there was, with a warning.
    pub(crate) fn get(&self) -> Arc<C> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.security, Security::Certificates { .. }) && present.looked.elapsed() >= self.span {
            present.looked = Instant::now();
            self.renew(&mut present);
        }
        present.config.clone()
    }

    fn renew(&self, present: &mut Present<C>) {
        match self.changed(&present.identity) {
            Ok(None) => {}
            Ok(Some((identity, config))) => {
                tracing::info!("the raft certificates were renewed");
                (present.identity, present.config) = (identity, Arc::new(config));
                present.complaint.clear();
            }
            Err(error) => {
                let complaint = error.to_string();
                if complaint != present.complaint {
                    tracing::warn!(%error, "the raft certificates stay as they were: the files do not serve now");
                    present.complaint = complaint;
                }
            }
        }
    }

    /// Returns what the files give, if that is not `present`.
    fn changed(&self, present: &Identity) -> Result<Option<(Identity, C)>, PortError> {
        let read = self.security.identity_unchecked()?.filter(|read| read != present);
        let Some(identity) = read else { return Ok(None) };
        identity.check()?;
        let config = (self.build)(&identity)?;
        Ok(Some((identity, config)))
    }
}

#[cfg(test)]
impl<C> Fresh<C> {
    /// Makes it look at the files every time.
    pub(crate) fn look_always(mut self) -> Self {
        self.span = Duration::ZERO;
        self
    }
}
