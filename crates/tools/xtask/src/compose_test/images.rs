//! Images under the names that the compose file uses, made of what this machine has, because none can be pulled.
//!
//! The servers are stand-ins: the same programs as in the official images in a version that Debian (or, for NATS, a
//! pinned wheel) brings, over a base of busybox and the C library. Our own image is built by deploy/Dockerfile.

use crate::compose_test::commands::{run, text};
use crate::compose_test::engine::Engine;
use anyhow::{Context, Result, bail};
use remora_domain::Service;
use remora_test_servers::{ensure_nats, ensure_postgres, ensure_redis};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of our own image in this test.
pub(crate) const REMORA_IMAGE: &str = "remora:compose-test";
const BASE_IMAGE: &str = "remora-stand-in-base";

/// Does what the official image's entrypoint does for the variables that our compose file sets.
const POSTGRES_ENTRYPOINT: &str = r#"#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8 \
        --locale C --auth-local trust --auth-host scram-sha-256
    echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
    pg_ctl --pgdata "$data" --wait --options '-c listen_addresses=' start
    psql --username "$POSTGRES_USER" --dbname postgres --command "CREATE DATABASE $POSTGRES_DB"
    pg_ctl --pgdata "$data" --wait --mode fast stop
fi
exec postgres -D "$data" -c "listen_addresses=*"
"#;

/// Gives the names of our programs.
pub(crate) fn programs() -> Vec<String> {
    let services = Service::ALL.iter().map(|service| format!("remora-{}", service.name()));
    std::iter::once("remora".to_owned()).chain(services).collect()
}

/// Makes every image that the compose file names; `bin_dir` holds our programs.
pub(crate) fn make_all(engine: &Engine, root: &Path, bin_dir: &Path) -> Result<()> {
    let compose = fs::read_to_string(root.join("docker-compose.yml"))?;
    let compose: Value = serde_yaml_ng::from_str(&compose).context("read docker-compose.yml")?;
    let image = |service: &str| -> Result<String> {
        let image =
            compose.get("services").and_then(|services| services.get(service)?.get("image"));
        let name = image.and_then(Value::as_str);
        Ok(name.with_context(|| format!("docker-compose.yml: image of {service}"))?.to_owned())
    };
    let trees = engine.folder().join("trees");
    let base = base(&trees, bin_dir)?;
    import(engine, &base, BASE_IMAGE, &[])?;
    import(engine, &nats(&trees, &base)?, &image("nats")?, &[])?;
    import(engine, &redis(&trees, &base)?, &image("redis")?, &[])?;
    let entrypoint = ["ENTRYPOINT [\"/entrypoint.sh\"]"];
    import(engine, &postgres(&trees, &base)?, &image("postgres")?, &entrypoint)?;
    remora(engine, root, bin_dir)
}

/// Builds our own image of programs that are built already.
fn remora(engine: &Engine, root: &Path, bin_dir: &Path) -> Result<()> {
    let context = engine.folder().join("context");
    let bin = context.join("out/bin");
    fs::create_dir_all(&bin)?;
    for folder in ["deploy", "demo", "profiles"] {
        run(Command::new("cp").arg("-r").arg(root.join(folder)).arg(&context))?;
    }
    for program in programs() {
        // Debug information would make the image many times larger.
        let mut strip = Command::new("strip");
        run(strip.arg(bin_dir.join(&program)).arg("-o").arg(bin.join(&program)))?;
    }
    let mut build = engine.docker();
    build.args(["build", "--target", "runtime", "--file"]).arg(context.join("deploy/Dockerfile"));
    build.args(["--build-arg", &format!("BASE_IMAGE={BASE_IMAGE}"), "--tag", REMORA_IMAGE]);
    run(build.arg(&context)).context("build deploy/Dockerfile, target runtime").map(drop)
}

/// Makes the base: busybox for a shell, what our programs are linked with, certificates.
fn base(trees: &Path, bin_dir: &Path) -> Result<PathBuf> {
    let tree = trees.join("base");
    for folder in ["bin", "etc/ssl/certs", "proc", "run", "sys", "dev", "usr/local/bin", "var"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    fs::create_dir_all(tree.join("tmp"))?;
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let busybox = busybox(&trees.join("packages"))?;
    fs::copy(&busybox, tree.join("bin/busybox"))?;
    for applet in run(Command::new(&busybox).arg("--list"))?.lines() {
        let link = tree.join("bin").join(applet);
        if applet != "busybox" {
            symlink("busybox", &link).with_context(|| format!("link {}", link.display()))?;
        }
    }
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(tree.join("etc/group"), "root:x:0:\n")?;
    // Content is needed only by connections that leave, and none does here.
    let certificates = "etc/ssl/certs/ca-certificates.crt";
    let pem = fs::read(Path::new("/").join(certificates))
        .unwrap_or_else(|_| b"# none on this machine\n".to_vec());
    fs::write(tree.join(certificates), pem)?;
    let ours: Vec<PathBuf> = programs().iter().map(|program| bin_dir.join(program)).collect();
    copy_libraries(&tree, &ours)?;
    Ok(tree)
}

/// Gives a static busybox out of Debian's package, without installing it.
fn busybox(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["--option", "APT::Sandbox::User=root", "download", "busybox-static"]);
        run(apt.current_dir(folder))
    };
    if download().is_err() {
        run(Command::new("apt-get").arg("update"))?;
        download()?;
    }
    let packages = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let package =
        packages.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.context("find the package of busybox-static")?;
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder))?;
    Ok(folder.join("bin/busybox"))
}

fn nats(trees: &Path, base: &Path) -> Result<PathBuf> {
    let tree = on_base(trees, base, "nats")?;
    let program = tree.join("usr/local/bin/nats-server");
    fs::copy(ensure_nats()?, program).context("copy nats-server")?;
    Ok(tree)
}

fn redis(trees: &Path, base: &Path) -> Result<PathBuf> {
    let tree = on_base(trees, base, "redis")?;
    let server = ensure_redis()?;
    let programs = [server.clone(), server.with_file_name("redis-cli")];
    copy_files(&tree, &programs)?;
    copy_libraries(&tree, &programs)?;
    add_user(&tree, "redis")?;
    Ok(tree)
}

fn postgres(trees: &Path, base: &Path) -> Result<PathBuf> {
    let tree = on_base(trees, base, "postgres")?;
    let bin = ensure_postgres()?;
    let programs: Vec<PathBuf> = ["initdb", "pg_ctl", "pg_isready", "postgres", "psql"]
        .iter()
        .map(|program| bin.join(program))
        .collect();
    copy_files(&tree, &programs)?;
    copy_libraries(&tree, &programs)?;
    let library = bin.with_file_name("lib");
    // What initdb loads; the rest, with a compiler in it, is large.
    copy_files(&tree, &[library.join("plpgsql.so"), library.join("dict_snowball.so")])?;
    let version = bin.parent().and_then(Path::file_name).context("version of PostgreSQL")?;
    // Debian's server knows UTC only from the system's table of time zones.
    let shared = [Path::new("/usr/share/postgresql").join(version), "/usr/share/zoneinfo".into()];
    copy_files(&tree, &shared)?;
    for program in &programs {
        let name = program.file_name().context("name of a program")?;
        symlink(program, tree.join("usr/local/bin").join(name))?;
    }
    fs::create_dir_all(tree.join("var/run/postgresql"))?;
    let data = tree.join("var/lib/postgresql/data");
    fs::create_dir_all(&data)?;
    std::os::unix::fs::chown(&data, Some(999), Some(999))?;
    let entrypoint = tree.join("entrypoint.sh");
    fs::write(&entrypoint, POSTGRES_ENTRYPOINT)?;
    fs::set_permissions(&entrypoint, fs::Permissions::from_mode(0o755))?;
    add_user(&tree, "postgres")?;
    Ok(tree)
}

fn on_base(trees: &Path, base: &Path, name: &str) -> Result<PathBuf> {
    let tree = trees.join(name);
    run(Command::new("cp").arg("-a").arg(base).arg(&tree))?;
    Ok(tree)
}

/// Adds the user that the official image has, with its number.
fn add_user(tree: &Path, name: &str) -> Result<()> {
    let add = |file: &str, line: String| -> Result<()> {
        let path = tree.join(file);
        Ok(fs::write(&path, fs::read_to_string(&path)? + &line)?)
    };
    add("etc/passwd", format!("{name}:x:999:999::/tmp:/bin/sh\n"))?;
    add("etc/group", format!("{name}:x:999:\n"))
}

/// Copies files and folders to where they are on this machine; links become what they lead to. Not with `cp`, which
/// stumbles over a folder on the way that is a link, as `/lib` is.
fn copy_files(tree: &Path, files: &[PathBuf]) -> Result<()> {
    let archive = tree.with_extension("files.tar");
    let mut pack = Command::new("tar");
    pack.args(["--create", "--dereference", "--directory", "/", "--file"]).arg(&archive);
    run(pack.args(files.iter().map(|file| file.strip_prefix("/").unwrap_or(file))))?;
    let mut unpack = Command::new("tar");
    run(unpack.args(["--extract", "--directory"]).arg(tree).arg("--file").arg(&archive))?;
    Ok(fs::remove_file(&archive)?)
}

/// Copies the libraries that programs are linked with.
fn copy_libraries(tree: &Path, programs: &[PathBuf]) -> Result<()> {
    let said = run(Command::new("ldd").args(programs))?;
    let libraries: BTreeSet<PathBuf> = said
        .lines()
        .filter(|line| line.starts_with('\t'))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect();
    if libraries.is_empty() {
        bail!("ldd names no library: {said}");
    }
    copy_files(tree, &libraries.into_iter().collect::<Vec<_>>())
}

fn import(engine: &Engine, tree: &Path, name: &str, changes: &[&str]) -> Result<()> {
    let archive = tree.with_extension("tar");
    let mut tar = Command::new("tar");
    run(tar.arg("--create").arg("--file").arg(&archive).arg("--directory").arg(tree).arg("."))?;
    let mut import = engine.docker();
    let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    import.args(["import", "--change", path]);
    for change in changes {
        import.args(["--change", change]);
    }
    run(import.args([&text(&archive)?, name])).with_context(|| format!("import {name}"))?;
    Ok(fs::remove_file(&archive)?)
}
