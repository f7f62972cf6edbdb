//! Probes servers by hand: `try_probe USER PASSWORD HOST:PORT...`.
use std::time::Duration;
use topology::{InstanceKey, Timestamp};
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let access = mysql::Access::new(args[0].as_str(), args[1].as_str());
    for host in &args[2..] {
        let mut settings = mysql::ProbeSettings::default();
        settings.queries.data_center = "select 'here' -- dc".to_owned();
        settings.queries.region = "select region from no.such".to_owned();
        settings.queries.promotion_rule = "select 'prefer';".to_owned();
        settings.queries.replication_lag = "select 0.7".to_owned();
        let mut prober = mysql::Prober::new(InstanceKey::parse(host, 3306).unwrap(), access.clone(), settings);
        for turn in 0..3 {
            let start = std::time::Instant::now();
            let probe = prober.probe(|| Timestamp(0)).await;
            println!("{host} turn {turn}: {:?} fresh={}", start.elapsed(), probe.fresh);
            if turn == 1 {
                println!("{:#?}", probe);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
