//! One command: asked of the running service or, where none runs, of a manager in this process.

use std::time::Duration;

use anyhow::bail;
use cli::{Credentials, Failure, Http, Mode, Program, ServerArgs, Transport};
use config::{Config, Loaded};

use server::configuration::Files;
use server::farm::{Farm, InProcess};

use crate::service;

/// Runs the command of `arguments` and prints its result.
///
/// # Errors
/// What the command meets; its text is for people.
pub async fn run(mut arguments: ServerArgs, files: Files, loaded: Loaded) -> anyhow::Result<()> {
    let config = loaded.config;
    if matches!(&arguments.mode, Mode::Command(name) if name == "dump-config") {
        println!("{}", config.dump_json());
        return Ok(());
    }
    if config.raft.enabled && !arguments.ignore_raft_setup && arguments.snapshot.is_none() {
        bail!(
            "RaftEnabled is set, and this program is about one node: orchestrator-client asks the one that leads; \
             -ignore-raft-setup runs the command here"
        );
    }
    arguments.options.default_port = config.topology_access.default_port;
    if let Some(path) = arguments.snapshot.take() {
        return perform(&arguments, &Farm::open(&path, config)?).await;
    }
    match running_service(&config).await {
        Some(service) => perform(&arguments, &service).await,
        None => {
            let manager = service::start(files, config, manager::Mode::OneCommand, None).await?;
            let router = api::router_for_this_process(manager.clone(), api::Metrics::install());
            let outcome = perform(&arguments, &InProcess::of(router)).await;
            manager.stop(Duration::from_secs(5)).await;
            outcome
        }
    }
}

async fn perform(arguments: &ServerArgs, transport: &impl Transport) -> anyhow::Result<()> {
    let result = match &arguments.mode {
        Mode::Command(name) => {
            cli::run(Program::Orchestrator, name, &arguments.options, transport).await.map(|outcome| outcome.stdout)
        }
        other => bail!("{other:?} is no command"),
    };
    match result {
        Ok(text) => {
            print!("{text}");
            Ok(())
        }
        Err(Failure::Unsupported(name)) => bail!("unknown command {name:?}: orchestrator -c help lists them"),
        Err(failure) => bail!("{failure}"),
    }
}

/// Returns the service that listens where the configuration says, if one answers.
async fn running_service(config: &Config) -> Option<Http> {
    let address = &config.listen.address;
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() || host == "0.0.0.0" { "127.0.0.1" } else { host };
    let user = &config.auth.user;
    let basic = (!user.is_empty()).then(|| (user.clone(), config.auth.password.reveal().to_owned()));
    let scheme = if config.tls.enabled { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{port}{}", config.listen.url_prefix);
    let service = Http::new(&url, Credentials { basic, header: None }).ok()?;
    service.answers().await.then_some(service)
}
