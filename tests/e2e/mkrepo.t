#!/usr/bin/env python3
"""The repositories that the other tests run on are well-formed."""

import hashlib
import json
import os
import sqlite3

import harness
from harness import expect_equal, test
from repomaker import check, listing, tamper
from repomaker.chunking import parse_chunk_size
from repomaker.content import open_content
from repomaker.keys import Keys
from repomaker.reader import PublishedRepository

FQRN = "made.example.org"
SMALL_CHUNKS = ("--chunk-size", "64K/128K/256K")
DAY = 86400


def make_zoo(*options: str, into=None) -> harness.Repository:
    """A repository with every kind of entry."""
    return harness.make_repository(FQRN, "--generate", "zoo,size=300K", *SMALL_CHUNKS, *options,
                                   into=into)


def expect_well_formed(repository: harness.Repository) -> None:
    """Fails with the complaints."""
    complaints = check.check_all(repository.directory, repository.public_key)
    assert not complaints, "\n".join(complaints)


def read_rows(repository: harness.Repository) -> list[dict]:
    """The listing of the tree."""
    with open(repository.manifest, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def objects(repository: harness.Repository) -> set[str]:
    """Names of all objects."""
    top = os.path.join(repository.directory, "data")
    return {os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names}


@test
def every_kind_of_entry_makes_a_well_formed_repository():
    expect_well_formed(make_zoo())


@test
def every_hash_and_compression_makes_a_well_formed_repository():
    for algorithm in ("sha1", "rmd160", "shake128"):
        for compression in ("zlib", "none"):
            repository = make_zoo("--hash", algorithm, "--compression", compression)
            expect_well_formed(repository)
            assert repository.manifest_field("C").endswith(algorithm) or algorithm == "sha1"


@test
def subtrees_have_settings_of_their_own():
    repository = make_zoo("--nested", "/files", "--subtree",
                          "/files:hash=shake128,compression=none")
    expect_well_formed(repository)
    catalogs = dict(PublishedRepository(repository.directory).catalogs())
    assert catalogs[b"/files"].endswith("-shake128"), catalogs
    rows = {row["path"]: row for row in read_rows(repository)}
    expect_equal(rows["/files/text-4096"]["cvmfs_compression"], "none")
    expect_equal(rows["/names/-dash"]["cvmfs_compression"], "zlib")


@test
def every_schema_revision_has_its_own_tables_and_columns():
    columns = []
    for revision in range(8):
        repository = make_zoo("--schema-revision", str(revision))
        expect_well_formed(repository)
        published = PublishedRepository(repository.directory)
        database = published.catalog(published.root_hash)
        described = check.schema_of(database)
        database.close()
        columns.append((len(described["catalog"]["columns"]),
                        len(described["nested_catalogs"]["columns"]),
                        "bind_mountpoints" in described))
    expect_equal(columns, [(14, 2, False), (14, 3, False), (15, 3, False), (15, 3, False),
                           (15, 3, True), (15, 3, True), (15, 3, True), (16, 3, True)])


@test
def older_schemas_can_be_written():
    for version in ("2.4", "1.0"):
        files = {"hello": "world", "directory/.cvmfscatalog": "", "directory/file": "below"}
        repository = harness.make_repository(FQRN, "--schema", version, files=files)
        complaints = check.check_manifest(repository.directory) + \
            check.check_objects(repository.directory)
        assert not complaints, "\n".join(complaints)


@test
def a_directory_of_this_machine_is_published_as_it_is():
    source = harness.temporary_directory()
    os.mkdir(f"{source}/sub")
    with open(f"{source}/sub/file", "w", encoding="utf-8") as file:
        file.write("content")
    os.chmod(f"{source}/sub/file", 0o640)
    os.utime(f"{source}/sub/file", ns=(1, 1_700_000_000_123_456_789))
    os.link(f"{source}/sub/file", f"{source}/sub/link")
    os.symlink("sub/$(X:-file)", f"{source}/symlink")
    repository = harness.make_repository(FQRN, source=source)
    expect_well_formed(repository)
    rows = {row["path"]: row for row in read_rows(repository)}
    file = rows["/sub/link"]
    expect_equal((file["mode"], file["mtime_ns"], file["nlink"], file["hardlink_of"]),
                 ("0640", 1_700_000_000_123_456_789, 2, "/sub/file"))
    expect_equal(file["sha256"], hashlib.sha256(b"content").hexdigest())
    expect_equal((rows["/symlink"]["rawlink"], rows["/symlink"]["target"]),
                 ("sub/$(X:-file)", "sub/file"))


@test
def catalogs_split_at_markers_patterns_and_weights():
    files = {f"d{number}/f{index}": "" for number in range(4) for index in range(20)}
    files["marked/.cvmfscatalog"] = ""
    files["pattern/sub/file"] = "x"
    repository = harness.make_repository(FQRN, "--nested", "/pattern/s*", "--nested-entries", "20",
                                         files=files)
    expect_well_formed(repository)
    catalogs = dict(PublishedRepository(repository.directory).catalogs())
    expect_equal(set(catalogs), {b"", b"/d0", b"/d1", b"/d2", b"/d3", b"/marked", b"/pattern/sub"})


@test
def external_files_have_no_objects_but_are_written_where_they_are_fetched():
    where = harness.temporary_directory()
    repository = make_zoo("--compression", "none", "--external", "--external-data", where)
    expect_well_formed(repository)
    suffixes = {path[-1] for path in objects(repository)}
    assert suffixes <= set("CHXM"), suffixes
    with open(f"{where}/files/twin-a", "rb") as file:
        expect_equal(file.read(), b"the same bytes\n")


@test
def a_second_publish_keeps_what_did_not_change():
    options = ("--timestamp", "1790000000", "--tag", "first")
    repository = make_zoo(*options)
    first = PublishedRepository(repository.directory)
    before, nested = objects(repository), dict(first.catalogs())
    extra = os.path.join(repository.webroot, "extra")
    with open(extra, "w", encoding="utf-8") as file:
        file.write('{"path": "/nested/inner/new", "content": "new", "mtime_ns": 5}\n'
                   '{"path": "/files/zeros", "delete": true}\n')
    make_zoo("--timestamp", "1790000100", "--entries", extra, into=repository)
    second = PublishedRepository(repository.directory)
    expect_well_formed(repository)
    expect_equal(second.revision, first.revision + 1)
    changed = {path for path, text in second.catalogs() if nested.get(path) != text}
    # the catalog with the new file and, through the references to it, those above; no other
    expect_equal(changed, {b"", b"/nested", b"/nested/inner"})
    assert before <= objects(repository)
    # three catalogs, a tag database, a file; certificate and meta info are the same
    expect_equal(len(objects(repository) - before), 5)
    root = second.catalog(second.root_hash)
    properties = dict(root.execute("SELECT key, value FROM properties"))
    expect_equal(properties["previous_revision"], first.root_hash)


@test
def tags_name_revisions_and_snapshots_lead_to_them():
    repository = make_zoo("--tag", "one")
    first = PublishedRepository(repository.directory).root_hash
    make_zoo("--tag", "two", "--snapshots", into=repository)
    published = PublishedRepository(repository.directory)
    tags = {tag.name: (tag.hash, tag.revision) for tag in published.tags()}
    expect_equal(tags, {"one": (first, 1), "trunk-previous": (first, 1),
                        "two": (published.root_hash, 2), "trunk": (published.root_hash, 2)})
    database = published.catalog(dict(published.catalogs())[b"/.cvmfs"])
    rows = dict(database.execute("SELECT path, sha1 FROM bind_mountpoints"))
    expect_equal(rows["/.cvmfs/snapshots/one"], first)
    expect_well_formed(repository)


@test
def chunks_add_up_and_a_cut_depends_on_the_content_only():
    size = parse_chunk_size("64K/128K/256K")
    data = open_content(("random", 1, 3_000_000)).read()
    chunks = list(size.cut(open_content(("bytes", data))))
    expect_equal(b"".join(chunks), data)
    lengths = [len(chunk) for chunk in chunks[:-1]]
    assert min(lengths) > 65536 and max(lengths) <= 262144, lengths
    moved = set(size.cut(open_content(("bytes", b"inserted" + data))))
    assert len(moved & set(chunks)) >= len(chunks) - 3, "an insertion moved all the cuts"


@test
def symlink_variables_are_expanded_as_the_format_says():
    for text, want in ((b"$(A)", b"x"), (b"$(B)", b""), (b"$(B:-y)", b"y"), (b"$(E:-y)", b""),
                       (b"a$(A)b$(A)", b"axbx"), (b"$(:-d)$()", b"d"), (b"$(A$(B)", b""),
                       (b"$V$$$(abc", b"$V$$$(abc")):
        expect_equal(listing.expand_variables(text, {"A": "x", "E": ""}), want, repr(text))


@test
def alternative_paths_hold_certificate_and_root_catalog():
    repository = make_zoo("--alternative-paths")
    expect_equal(repository.manifest_field("A"), "yes")
    names = {name for name in os.listdir(repository.directory) if name.startswith(".cvmfsalt-")}
    expect_equal(names, {f".cvmfsalt-{repository.manifest_field('C')}C",
                         f".cvmfsalt-{repository.manifest_field('X')}X"})


@test
def what_is_spoilt_is_found_and_nothing_else():
    repository = harness.make_repository(FQRN, files={"file": "content\n"})
    keys = Keys(repository.keys, FQRN)
    other = Keys(harness.temporary_directory(), FQRN)
    tamper.rewrite_whitelist(repository.directory, keys, signed_by=other)
    assert check.check_whitelist(repository.directory, repository.public_key)
    tamper.rewrite_whitelist(repository.directory, keys, expires=-DAY)
    expect_well_formed(repository)
    tamper.edit_catalog(repository.directory, keys, lambda database: database.execute(
        "UPDATE catalog SET size = size + 1 WHERE name = 'file'"))
    expect_equal([*check.check_manifest(repository.directory),
                  *check.check_objects(repository.directory)], [])
    assert check.check_catalogs(repository.directory)
    tamper.flip_byte(repository.object_path(repository.manifest_field("C"), "C"))
    expect_equal(len(check.check_objects(repository.directory)), 1)
    tamper.swap_certificate(repository.directory, other)
    expect_equal(check.check_manifest(repository.directory), [])
    assert check.check_whitelist(repository.directory, repository.public_key)


@test
def catalogs_have_the_schema_of_the_official_tools():
    official = PublishedRepository(
        harness.official_repository("small.example.org").directory)
    ours = PublishedRepository(make_zoo("--tag", "x").directory)
    our_catalogs, their_catalogs = dict(ours.catalogs()), dict(official.catalogs())
    for mountpoint in (b"", b"/nested"):
        made = ours.catalog(our_catalogs[mountpoint])
        theirs = official.catalog(their_catalogs[mountpoint])
        expect_equal(check.schema_of(made), check.schema_of(theirs))
        for table, column in (("properties", "key"), ("statistics", "counter")):
            query = f"SELECT {column}, typeof(value) FROM {table} ORDER BY 1"
            expect_equal(made.execute(query).fetchall(), theirs.execute(query).fetchall(), table)
        for column in ("name", "symlink", "hash", "mtimens", "hardlinks"):
            query = f"SELECT DISTINCT typeof({column}) FROM catalog"
            kinds = {"name": {("text",)}, "symlink": {("text",)}, "hash": {("blob",), ("null",)}}
            got = set(made.execute(query))
            assert got <= kinds.get(column, {("integer",), ("null",)}), (column, got)


@test
def the_tag_database_has_the_schema_of_the_official_tools():
    official = PublishedRepository(
        harness.official_repository("small.example.org").directory)
    ours = PublishedRepository(make_zoo().directory)
    databases = []
    for published in (ours, official):
        database = sqlite3.connect(":memory:")
        database.deserialize(published.unpacked(published.fields["H"], "H"))
        databases.append(check.schema_of(database))
    expect_equal(databases[0], databases[1])


@test
def the_official_repositories_pass_the_same_checks():
    for fqrn in ("small.example.org", "rmd.example.org", "shake.example.org", "ext.example.org"):
        expect_well_formed(harness.official_repository(fqrn))


harness.main()
