#!/usr/bin/env python3
"""makedist with package repositories: where packages come from. Tables of sources, mirrors,
listings of directories, and the cache."""

import os
import shutil

import harness
import packagetest
from distributiontest import client, names, own_world, world
from harness import expect_equal, expect_in, test
from packagetest import CERN, CERN_MIRROR, CLIENT, CONFIG, TYPE, USER

MIRROR = f"{CERN_MIRROR}/cvmfs/EL/9/x86_64"
DEFAULT_PACKAGES = ["cvmfs", "cvmfs-config-default-latest.noarch.rpm", "cvmfs-fuse3", "cvmfs-libs",
                    "fuse3-libs"]


# Tables of sources.


@test
def a_table_on_the_command_line_takes_the_place_of_the_one_beside_the_program():
    site = packagetest.Site(table="[replace]\nhttps:// = http://127.0.0.1:1/\n")
    other = site.write_table(world().replacement(), "other.conf")
    expect_equal(names(site.dry_run("--sources", other, *TYPE, "default")), DEFAULT_PACKAGES)
    site.makedist("--dry-run", *TYPE, "default", status=1)


@test
def mistakes_in_a_table_are_named_with_their_line():
    site = packagetest.Site()
    rows = [("base = https://x\n", 1, "a [SECTION] must come first"),
            ("[a]\nbase = ftp://x\n", 2, "ftp://x"), ("\n[a]\nbsae = https://x\n", 3, "bsae"),
            ("[a]\nbase = https://{x}\n", 2, "{version} and {arch}"), ("[a\n", 1, "[NAME]"),
            ("[a]\ntypes = rhel5-*\n", 2, "rhel5-*"), ("[a]\n[a]\n", 2, "already"),
            ("[replace]\nhttps://x = y\n", 2, '"y"'),
            ("[a]\nfile = https://x # y\n", 2, "no blanks"),
            ("[a]\n#\n\nbase =\n", 4, "no value")]
    for text, line, words in rows:
        path = site.write_table(text, "wrong.conf")
        said = site.makedist("--sources", path, *TYPE, "default", status=1).stderr
        expect_in(f"{path}:{line}: ", said)
        expect_in(words, said)
    said = site.makedist("--sources", site.path("none"), *TYPE, "default", status=1).stderr
    expect_in(site.path("none"), said)


@test
def a_copy_on_this_machine_is_a_mirror():
    site = packagetest.Site(table=world().replacement(f"file://{world().webroot}/"))
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")


@test
def sources_of_the_sites_own_are_used():
    made = packagetest.World()
    made.publish("mine/9", *client("3.0.0"))
    table = (f"[cvmfs]\nbase = {made.url}mine/{{version}}\n[default]\n"
             f"file = file://{world().path(CERN, CONFIG)}\n")
    site = packagetest.Site(world(), table=table)
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "3.0.0")
    expect_equal(names(made.downloaded()), ["cvmfs", "cvmfs-fuse3", "cvmfs-libs"])


# Downloads.


@test
def a_second_run_needs_no_network():
    made = own_world()
    site = packagetest.Site(made)
    site.makedist("-q", *TYPE, "default")
    expect_equal(names(made.downloaded()), DEFAULT_PACKAGES)
    shutil.rmtree(site.path("dist"))
    made.server.clear()
    site.makedist("-q", *TYPE, "default")
    expect_equal(names(line.split()[1] for line in made.server.log() if line.endswith(".rpm")
                       and not line.startswith("304")), [], "loaded again")


@test
def ten_types_in_a_row_load_what_they_share_once():
    made = own_world()
    site = packagetest.Site(made)
    for source in ("default", "none", "osg"):
        site.makedist("-q", *TYPE, source)
        os.rename(site.path("dist"), site.path(source))
    loaded = [line.split()[1] for line in made.server.log()
              if line.startswith("200") and line.endswith(".rpm")]
    expect_equal(sorted(set(loaded)), sorted(loaded))


@test
def where_a_mirror_fails_the_next_one_is_asked():
    made = own_world()
    os.makedirs(os.path.dirname(made.path(MIRROR)))
    shutil.move(made.path(CLIENT), made.path(MIRROR))
    shutil.move(made.path(CERN, CONFIG), made.path(CERN_MIRROR, CONFIG))
    site = packagetest.Site(made)
    site.makedist("-q", *TYPE, "default")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")
    expect_equal(len([path for path in made.downloaded() if path.startswith(CERN_MIRROR)]), 4)


@test
def a_package_that_a_mirror_has_lost_comes_from_the_other():
    made = own_world()
    shutil.copytree(made.path(CLIENT), made.path(MIRROR))
    os.unlink(made.path(CLIENT, "cvmfs-2.13.3-1.el9.x86_64.rpm"))
    packagetest.Site(made).makedist("-q", *TYPE, "none")


@test
def a_package_that_no_mirror_has_is_named():
    made = own_world()
    os.unlink(made.path(CLIENT, "cvmfs-libs-2.13.3-1.el9.x86_64.rpm"))
    site = packagetest.Site(made)
    said = site.makedist("-q", *TYPE, "none", status=1).stderr
    expect_in("cvmfs-libs-2.13.3-1.el9.x86_64.rpm", said)
    expect_in("404", said)
    expect_equal(site.names(), [])


LISTING_PLACE = "cvmrepo.s3-website.cern.ch/cvmrepo/yum/cvmfs/EL/9/x86_64"


@test
def where_there_is_no_metadata_the_listing_is_read():
    made = own_world()
    made.unindex(CLIENT)
    rows = "".join(f'<tr><td><a href="./{name}">{name}</a></td></tr>'
                   for name in sorted(os.listdir(made.path(CLIENT))))
    shutil.move(made.path(CLIENT), made.path(LISTING_PLACE))
    os.rename(made.path(LISTING_PLACE), made.path("packages"))
    os.makedirs(made.path(LISTING_PLACE))
    with open(made.path(LISTING_PLACE, "index.html"), "w", encoding="utf-8") as page:
        page.write(f"<html><body><table>{rows}</table></body></html>")
    for name in os.listdir(made.path("packages")):
        shutil.move(made.path("packages", name), made.path(LISTING_PLACE))
    site = packagetest.Site(made)
    expect_equal(site.dry_run(*TYPE, "-v", "2.12.7", "none")[0],
                 f"{made.url}{LISTING_PLACE}/cvmfs-2.12.7-1.el9.x86_64.rpm")
    site.makedist("-q", *TYPE, "none")
    expect_equal(site.read("dist/usr/bin/cvmfs2"), "2.13.3")
    expect_in("2.13.3, 2.13.2",
              site.makedist(*TYPE, "--dry-run", "-v", "1.0.0", "none", status=1).stderr)


@test
def the_cache_is_in_the_users_home_when_nobody_says():
    site = packagetest.Site(world())
    home = harness.temporary_directory(USER)
    for env, place in (({"HOME": home}, f"{home}/.cache/cvmfsexec"),
                       ({"HOME": home, "XDG_CACHE_HOME": f"{home}/other"},
                        f"{home}/other/cvmfsexec")):
        result = harness.run([site.path("makedist"), "-q", *TYPE, "default"], user=USER, cwd="/",
                             env=packagetest.ENVIRONMENT | env)
        expect_equal(result.status, 0, str(result))
        assert os.listdir(place)
        shutil.rmtree(site.path("dist"))
    result = harness.run([site.path("makedist"), *TYPE, "default"], user=USER, cwd="/",
                         env=packagetest.ENVIRONMENT | {"HOME": None})
    expect_equal(result.status, 1)
    expect_in("--cache", result.stderr)


world()
harness.main()
