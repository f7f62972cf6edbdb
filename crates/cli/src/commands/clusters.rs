//! Clusters and their topologies.

use serde_json::Value;

use super::{Command, fixed, of_cluster};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded};
use crate::show::{Answer, Lines, key, key_of_instance, keys_of_instances, text, text_of_details};

const SECTION: &str = "Clusters";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(SECTION, "clusters", "", fixed!("clusters-info"), names, "List the names of all clusters"),
    Command::new(
        SECTION,
        "clusters-alias",
        "",
        fixed!("clusters-info"),
        aliases,
        "List all clusters with their aliases",
    ),
    Command::new(
        SECTION,
        "all-clusters-masters",
        "",
        fixed!("masters"),
        keys_of_instances,
        "List the writable primary of each cluster",
    ),
    Command::new(
        SECTION,
        "topology",
        "-i|-alias",
        of_cluster!("topology"),
        text_of_details,
        "Show a cluster as a tree",
    ),
    Command::new(
        SECTION,
        "topology-tabulated",
        "-i|-alias",
        of_cluster!("topology-tabulated"),
        text_of_details,
        "Show a cluster as a tree, with columns for programs",
    ),
    Command::new(
        SECTION,
        "topology-tags",
        "-i|-alias",
        of_cluster!("topology-tags"),
        text_of_details,
        "Show a cluster as a tree, with the tags of each instance",
    ),
    Command::new(
        SECTION,
        "which-cluster",
        "-i|-alias",
        of_cluster!("cluster-info"),
        |answer| field(answer, "ClusterName"),
        "Show the name of a cluster",
    ),
    Command::new(
        SECTION,
        "which-cluster-alias",
        "-i|-alias",
        of_cluster!("cluster-info"),
        |answer| field(answer, "ClusterAlias"),
        "Show the alias of a cluster",
    ),
    Command::new(
        SECTION,
        "which-cluster-domain",
        "-i|-alias",
        of_cluster!("cluster-info"),
        |answer| field(answer, "ClusterDomain"),
        "Show the domain name of a cluster",
    ),
    Command::new(
        SECTION,
        "which-cluster-master",
        "-i|-alias",
        of_cluster!("master"),
        key_of_instance,
        "Show the primary of a cluster",
    ),
    Command::new(
        SECTION,
        "which-cluster-instances",
        "-i|-alias",
        of_cluster!("cluster"),
        keys_of_instances,
        "List the members of a cluster",
    ),
    Command::new(
        SECTION,
        "which-cluster-osc-replicas",
        "-i|-alias",
        of_cluster!("cluster-osc-replicas"),
        keys_of_instances,
        "List replicas of a cluster that a tool for schema changes should watch",
    )
    .also(&["which-cluster-gh-ost-replicas"]),
    Command::new(
        SECTION,
        "which-cluster-osc-running-replicas",
        "-i|-alias",
        of_cluster!("cluster-osc-replicas"),
        running,
        "List those of them that replicate",
    ),
    Command::new(
        SECTION,
        "get-cluster-heuristic-lag",
        "-i|-alias",
        of_cluster!("cluster-osc-replicas"),
        greatest_lag,
        "Show the greatest lag among them, in seconds",
    )
    .only(Program::Orchestrator),
    Command::new(
        SECTION,
        "cluster-pool-instances",
        "",
        fixed!("v2/pools"),
        pooled,
        "List all pools: cluster, alias, pool and instance, separated by tabs",
    ),
    Command::new(
        SECTION,
        "which-heuristic-cluster-pool-instances",
        "-i|-alias [-pool]",
        pool_of_cluster,
        instances_in_details,
        "List the instances of a cluster that are in a pool, and answer",
    ),
    Command::new(
        SECTION,
        "dominant-dc",
        "",
        fixed!("masters"),
        dominant_data_center,
        "Show the data centre that most primaries are in",
    ),
];

fn names(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(|cluster| text(&cluster["ClusterName"]).to_owned()).collect())
}

fn aliases(answer: &Answer<'_>) -> Lines {
    let separator = match answer.program {
        Program::Client => ",",
        Program::Orchestrator => "\t",
    };
    let line =
        |cluster: &Value| format!("{}{separator}{}", text(&cluster["ClusterName"]), text(&cluster["ClusterAlias"]));
    Ok(answer.items().iter().map(line).collect())
}

fn field(answer: &Answer<'_>, name: &'static str) -> Lines {
    let value = answer.value[name].as_str().ok_or(Failure::OddAnswer(name))?;
    Ok(vec![value.to_owned()])
}

fn running(answer: &Answer<'_>) -> Lines {
    let runs = |instance: &&Value| instance["Slave_IO_Running"] == true && instance["Slave_SQL_Running"] == true;
    Ok(answer.items().iter().filter(runs).map(|instance| key(&instance["Key"])).collect())
}

fn greatest_lag(answer: &Answer<'_>) -> Lines {
    let lags = answer.items().iter().map(|instance| &instance["SlaveLagSeconds"]);
    let known = lags.filter(|lag| lag["Valid"] == true).filter_map(|lag| lag["Int64"].as_i64());
    known.max().map(|lag| vec![lag.to_string()]).ok_or(Failure::OddAnswer("replica with a known lag"))
}

fn pooled(answer: &Answer<'_>) -> Lines {
    let line = |entry: &Value| {
        let word = |name: &str| text(&entry[name]).to_owned();
        [word("cluster"), word("alias"), word("pool"), key(&entry["instance"])].join("\t")
    };
    Ok(answer.items().iter().map(line).collect())
}

fn pool_of_cluster(options: &Options) -> Result<String, Failure> {
    let path = format!("heuristic-cluster-pool-instances/{}", options.cluster_hint()?);
    Ok(if options.pool.is_empty() { path } else { format!("{path}/{}", encoded(&options.pool)) })
}

fn instances_in_details(answer: &Answer<'_>) -> Lines {
    Ok(answer.details().as_array().into_iter().flatten().map(|instance| key(&instance["Key"])).collect())
}

fn dominant_data_center(answer: &Answer<'_>) -> Lines {
    let centers: Vec<&str> = answer.items().iter().map(|instance| text(&instance["DataCenter"])).collect();
    let count = |center: &str| centers.iter().filter(|other| **other == center).count();
    let most = centers.iter().max_by_key(|center| (count(center), std::cmp::Reverse(**center)));
    Ok(most.map(|center| vec![(*center).to_owned()]).unwrap_or_default())
}

/// Returns the part of a drawing that stands in brackets beside `instance`.
pub(super) fn status_in(drawing: &str, instance: &Value) -> Option<String> {
    let wanted = key(instance);
    drawing.lines().find_map(|line| {
        let (name, facts) = line.split_once('[')?;
        let is_wanted = name.split_whitespace().any(|word| word == wanted);
        is_wanted.then(|| format!("[{facts}"))
    })
}
