//! Who replicates from whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::{InstanceKey, Snapshot};

/// A connected replication graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Its name: `host:port` of its head, or what the snapshot brings ([`crate::Declared::cluster_names`]).
    pub name: String,
    /// The head: the instance at the top of the tree; of co-primaries the writable one, else the smaller key.
    pub head: InstanceKey,
    /// All members, sorted.
    pub members: Vec<InstanceKey>,
    /// Alias: an operator's, else what the members' own queries say (the head's first), else the name.
    pub alias: String,
    /// Domain that the head's query gave; empty when unknown.
    pub domain: String,
}

/// The replication graph of a snapshot: sources, replicas, clusters and depths.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    sources: BTreeMap<InstanceKey, InstanceKey>,
    replicas: BTreeMap<InstanceKey, Vec<InstanceKey>>,
    cluster_of: BTreeMap<InstanceKey, usize>,
    depth: BTreeMap<InstanceKey, u32>,
    clusters: Vec<Cluster>,
}

impl Graph {
    /// Returns the graph of `snapshot`. Members are instances that were seen, and sources that they name; an address
    /// that was only heard of is none, since nobody knows whether a server is there.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut graph = Self::default();
        let mut keys: BTreeSet<InstanceKey> = snapshot.instances().map(|(watched, _)| watched.key.clone()).collect();
        for (watched, instance) in snapshot.instances() {
            if let Some(source) = parent(instance)
                && source != watched.key
            {
                graph.sources.insert(watched.key.clone(), source.clone());
                graph.replicas.entry(source.clone()).or_default().push(watched.key.clone());
                keys.insert(source);
            }
        }
        graph.group_into_clusters(snapshot, &keys);
        graph
    }

    /// Returns the source of `key`, if it has one.
    pub fn source(&self, key: &InstanceKey) -> Option<&InstanceKey> {
        self.sources.get(key)
    }

    /// Returns the direct replicas of `key`, sorted.
    pub fn replicas(&self, key: &InstanceKey) -> &[InstanceKey] {
        self.replicas.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns all that replicate from `key`, directly or not, sorted; without `key` itself.
    pub fn descendants(&self, key: &InstanceKey) -> BTreeSet<InstanceKey> {
        let mut found = BTreeSet::new();
        let mut queue = vec![key.clone()];
        while let Some(next) = queue.pop() {
            for replica in self.replicas(&next) {
                if replica != key && found.insert(replica.clone()) {
                    queue.push(replica.clone());
                }
            }
        }
        found
    }

    /// True when `key` and its source replicate from each other.
    pub fn is_co_primary(&self, key: &InstanceKey) -> bool {
        self.source(key).and_then(|source| self.source(source)).is_some_and(|source| source == key)
    }

    /// Returns the others of the ring in which `key` replicates from itself by way of them, nearest source first. Empty
    /// for one that is in no ring.
    pub fn ring(&self, key: &InstanceKey) -> Vec<InstanceKey> {
        let mut others = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = self.source(key);
        while let Some(source) = next.filter(|source| *source != key) {
            if !seen.insert(source) {
                return Vec::new();
            }
            others.push(source.clone());
            next = self.source(source);
        }
        if next.is_some() { others } else { Vec::new() }
    }

    /// Returns the number of steps from the head of its cluster.
    pub fn depth(&self, key: &InstanceKey) -> u32 {
        self.depth.get(key).copied().unwrap_or(0)
    }

    /// Returns every cluster, by name.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Returns the cluster that `key` belongs to.
    pub fn cluster_of(&self, key: &InstanceKey) -> Option<&Cluster> {
        self.cluster_of.get(key).map(|index| &self.clusters[*index])
    }

    /// Returns the cluster of this exact name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }

    fn group_into_clusters(&mut self, snapshot: &Snapshot, keys: &BTreeSet<InstanceKey>) {
        let mut left = keys.clone();
        while let Some(start) = left.pop_first() {
            let mut members = BTreeSet::from([start.clone()]);
            let mut queue = vec![start];
            while let Some(key) = queue.pop() {
                let neighbours = self.sources.get(&key).into_iter().chain(self.replicas(&key));
                for neighbour in neighbours.cloned().collect::<Vec<_>>() {
                    if members.insert(neighbour.clone()) {
                        left.remove(&neighbour);
                        queue.push(neighbour);
                    }
                }
            }
            let cluster = self.cluster_from(snapshot, members.into_iter().collect());
            self.clusters.push(cluster);
        }
        self.take_given_names(snapshot);
        self.clusters.sort_by(|one, two| one.head.cmp(&two.head));
        for (index, cluster) in self.clusters.iter().enumerate() {
            for key in &cluster.members {
                self.cluster_of.insert(key.clone(), index);
            }
        }
        for head in self.clusters.iter().map(|cluster| cluster.head.clone()).collect::<Vec<_>>() {
            self.measure_depths(&head);
        }
    }

    /// Gives clusters the names that the snapshot brings for them: those on which all named members agree, and that no
    /// other cluster has or is given.
    fn take_given_names(&mut self, snapshot: &Snapshot) {
        let given = |cluster: &Cluster| {
            let mut names = cluster.members.iter().filter_map(|key| snapshot.declared.cluster_names.get(key));
            let first = names.next().filter(|name| !name.is_empty())?;
            names.all(|name| name == first).then(|| first.clone())
        };
        let names: Vec<Option<String>> = self.clusters.iter().map(given).collect();
        let mut claims: BTreeMap<String, usize> = BTreeMap::new();
        for (cluster, name) in self.clusters.iter().zip(&names) {
            let both = BTreeSet::from([Some(&cluster.name), name.as_ref()]);
            both.into_iter().flatten().for_each(|name| *claims.entry(name.clone()).or_default() += 1);
        }
        for (cluster, name) in self.clusters.iter_mut().zip(names) {
            if let Some(name) = name.filter(|name| claims[name] == 1) {
                if cluster.alias == cluster.name {
                    cluster.alias.clone_from(&name);
                }
                cluster.name = name;
            }
        }
    }

    fn measure_depths(&mut self, head: &InstanceKey) {
        self.depth.insert(head.clone(), 0);
        let mut queue = vec![(head.clone(), 0)];
        while let Some((key, depth)) = queue.pop() {
            for replica in self.replicas(&key).to_vec() {
                if !self.depth.contains_key(&replica) {
                    self.depth.insert(replica.clone(), depth + 1);
                    queue.push((replica, depth + 1));
                }
            }
        }
    }

    fn cluster_from(&self, snapshot: &Snapshot, members: Vec<InstanceKey>) -> Cluster {
        let writable = |key: &InstanceKey| snapshot.instance(key).is_some_and(|instance| instance.writes.is_writable());
        // A tree has one member without a source. In a ring of co-primaries every member has one: then the writable
        // of those who are in the ring leads.
        let head = members
            .iter()
            .find(|key| self.source(key).is_none())
            .or_else(|| members.iter().find(|key| !self.ring(key).is_empty() && writable(key)))
            .or_else(|| members.iter().find(|key| !self.ring(key).is_empty()))
            .unwrap_or(&members[0])
            .clone();
        let name = head.to_string();
        let label = |pick: fn(&crate::Labels) -> &String| {
            std::iter::once(&head)
                .chain(&members)
                .filter_map(|key| Some(pick(&snapshot.instance(key)?.labels).clone()))
                .find(|text| !text.is_empty())
        };
        let alias = snapshot.declared.alias_overrides.get(&name).cloned();
        Cluster {
            alias: alias.or_else(|| label(|labels| &labels.cluster_alias)).unwrap_or_else(|| name.clone()),
            domain: label(|labels| &labels.cluster_domain).unwrap_or_default(),
            name,
            head,
            members,
        }
    }
}

/// Returns what `instance` hangs below: its source or, for a secondary of a replication group, the group's primary.
fn parent(instance: &crate::Instance) -> Option<InstanceKey> {
    let group_primary = instance
        .group
        .as_ref()
        .filter(|group| group.single_primary && !group.is_primary)
        .and_then(|group| group.members.iter().find(|member| member.is_primary).map(|member| member.key.clone()));
    instance.source().cloned().or(group_primary)
}
