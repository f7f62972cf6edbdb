//! Replacing all data of a server by a copy of another one's: MySQL's clone plugin.

use std::time::Duration;

use topology::InstanceKey;

use crate::error::{Error, ErrorKind};
use crate::quote::literal;
use crate::server::Server;
use crate::session::Session;

/// The server's data are replaced, and it could not restart itself: nobody supervises it. It has shut down.
const RESTART_FAILED: u16 = 3707;

/// How long a copy may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What became of a server whose data were replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// It restarts by itself.
    Restarts,
    /// It has shut down, and somebody must start it.
    ShutDown,
}

impl Server {
    /// Loads the clone plugin, unless it is there.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when it cannot be loaded; any failure of the connection.
    pub async fn load_clone_plugin(&mut self) -> Result<(), Error> {
        let doing = "load the clone plugin";
        let asked = "select plugin_status from information_schema.plugins where plugin_name='clone'";
        let rows = self.rows(doing, asked).await?;
        if rows.first().and_then(|row| row.get(0)) == Some("ACTIVE") {
            return Ok(());
        }
        match self.run(doing, "install plugin clone soname 'mysql_clone.so'", &[]).await {
            Err(error) if !error.is_fatal() => {
                let why =
                    format!("{} (load it with plugin-load-add=mysql_clone.so, or let our account do so)", error.kind);
                Err(self.error(doing, ErrorKind::Unsupported(why)))
            }
            outcome => outcome,
        }
    }

    /// Replaces all data of this server by those of `donor`, and ends when it shuts down for that. Both sides need the
    /// plugin; our account needs `CLONE_ADMIN` here and `BACKUP_ADMIN` there.
    ///
    /// # Errors
    /// Any failure of the server, which then is as it was. A connection that ends counts as a restart: look what it has then.
    pub async fn copy_from(&mut self, donor: &InstanceKey) -> Result<Copied, Error> {
        let doing = format!("replace all data by those of {donor}");
        let access = self.access().clone();
        let password = literal(access.password.expose());
        let sql = format!(
            "set global clone_valid_donor_list={}; clone instance from {}@{}:{} identified by {password}",
            literal(&donor.to_string()),
            literal(&access.user),
            literal(&donor.host),
            donor.port,
        );
        // On a session of its own: one that breaks must not be replaced, and the copy be begun once more.
        let mut session = Session::connect(self.key(), &access).await?;
        match session.results_within(&sql, LIMIT).await.map_err(|error| error.while_doing(&doing)) {
            Ok(_) => Ok(Copied::Restarts),
            Err(error) if error.number() == Some(RESTART_FAILED) => Ok(Copied::ShutDown),
            // It restarts under our feet.
            Err(error) if error.is_fatal() => Ok(Copied::Restarts),
            Err(error) => Err(error.hiding(password.trim_matches('\'')).hiding(access.password.expose())),
        }
    }
}
