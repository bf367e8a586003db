//! What /proc/self/smaps tells of a mapping.

use anyhow::Context;

use super::map::Map;

/// Its figures, `Rss: 4 kB`, in the order of the kernel's.
fn figures(map: &Map) -> anyhow::Result<Vec<String>> {
    let start = format!("{:x}-", map.start() as usize);
    let text = std::fs::read_to_string("/proc/self/smaps")?;
    let lines = text.lines().skip_while(|l| !l.starts_with(&start)).skip(1);
    // The next mapping begins with its range.
    let own = lines.take_while(|l| l.split(':').next().is_some_and(|key| !key.contains('-')));
    Ok(own
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect())
}

/// The figures with these names.
pub fn some(map: &Map, names: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut lines = figures(map)?;
    lines.retain(|l| names.contains(&l.split(':').next().unwrap_or_default()));
    Ok(lines)
}

/// What stands behind a name.
pub fn one(map: &Map, name: &str) -> anyhow::Result<String> {
    let lines = figures(map)?;
    let found = lines
        .iter()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
    Ok(found
        .with_context(|| format!("smaps has no {name}"))?
        .to_owned())
}
