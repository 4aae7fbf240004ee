"""The documentation and the code say the same: options, names, links, targets, examples."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import types
import unicodedata
from pathlib import Path

import pytest

from nncift_core.cli.options import build_parser
from nncift_core.cli.settings import GROUPS, SETTINGS
from nncift_core.errors import ConfigError
from nncift_core.export.rows import SCHEMAS
from nncift_core.influence import METHODS, MethodEntry
from nncift_core.influence.designs import DESIGNS
from nncift_core.network import ESTIMATORS, NETWORKS, RIVALS
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.objectives import ObjectiveEntry
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.selection.use_cases import USE_CASES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md")])
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
COMMON = {"--help", "--version"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def without_code(text):
    """The text with fenced blocks blanked, so that code is not read as prose."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def commands():
    """Parser of each command by name."""
    parser = build_parser()
    (found,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return found.choices


def options_of(parser):
    return {name for action in parser._actions for name in action.option_strings} - COMMON - {"-h"}


def sections():
    """Text under each second-level heading that names a command, by command."""
    parts = re.split(r"^## (.*)$", COMMAND_LINE, flags=re.MULTILINE)
    return {
        title.strip("`"): text
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
        if title.startswith("`")
    }


def test_every_command_has_a_section_and_every_section_a_command():
    assert set(sections()) == set(commands())
    listed = set(re.findall(r"^\| `([\w-]+)` \|", COMMAND_LINE.split("\n## ")[0], re.MULTILINE))
    assert listed == set(commands())


@pytest.mark.parametrize("command", sorted(commands()))
def test_a_command_and_its_section_have_the_same_options(command):
    section = sections()[command]
    in_tables = options_in(section)
    if command in ("pilot", "plan", "study"):
        # It takes the data and the settings of a run, which stand there once.
        in_tables |= options_in(sections()["run"].split("### Results")[0])
    if command == "select":
        # What the subset must obey stands there, too.
        shared = sections()["run"].split("### What the subset must obey")[1]
        in_tables |= options_in(shared.split("\n###")[0])
    assert in_tables == options_of(commands()[command])


def options_in(text):
    """The options that the tables of a text explain; none of them twice."""
    found = re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)
    assert len(found) == len(set(found))
    return set(found)


def test_no_document_names_an_option_that_does_not_exist():
    known = COMMON.union(*map(options_of, commands().values()))
    known |= options_of_scripts() | {"--server"}  # of streamlit
    for page in PAGES:
        for line in without_code(page.read_text(encoding="utf-8")).splitlines():
            found = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", line))
            assert found <= known, f"{page.name}: {line}"


def options_of_scripts():
    """Options of the scripts in ``benchmarks/`` and ``data/``."""
    scripts = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("data/**/*.py")]
    texts = (script.read_text(encoding="utf-8") for script in scripts)
    return set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', "".join(texts)))


def test_options_of_scripts_are_found():
    assert {"--repeat", "--real", "--share"} <= options_of_scripts()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.option)
def test_a_setting_is_documented_with_its_default_and_its_choices(setting):
    rows = re.findall(r"^\| `(--[a-z-]+)([^`]*)` \|(.*)\| ([^|]+) \|$", COMMAND_LINE, re.MULTILINE)
    ((metavar, meaning, default),) = [rest for option, *rest in rows if option == setting.option]
    (action,) = [a for a in commands()["run"]._actions if setting.option in a.option_strings]
    assert metavar.strip() == ("" if action.nargs == 0 else action.metavar)
    if setting.option == "--objective":
        for method in METHODS:
            assert f"`{method.name}`" in default
            assert f"`{method.default_objective}`" in default
    elif setting.kind == "bool":
        assert default == "off"
    elif setting.kind == "str" and setting.option != "--budget":
        assert default.split(",")[0] == (f"`{setting.default}`" if setting.default else "none")
    else:
        assert float(default) == float(setting.default)
    for choice in choices_of(setting):
        assert f"`{choice}`" in meaning


def choices_of(setting):
    """The values that the configuration accepts, where it or a registry names them."""
    if setting.option == "--network":
        return ESTIMATORS
    try:
        GROUPS[setting.group](**{setting.field: "?"})
    except ConfigError as error:
        start, _, names = error.hint.partition("Choose one of:")
        return [] if start else re.findall(r"[\w-]+", names)
    return []


def test_choices_are_found():
    found = {setting.option for setting in SETTINGS if choices_of(setting)}
    assert {"--dtype", "--quantization", "--attention", "--template"} <= found
    assert {"--selectit-variant", "--network", "--design", "--inputs"} <= found


@pytest.mark.parametrize(
    ("registry", "pages"),
    [
        (METHODS, ["README.md", "docs/method.md", "docs/command-line.md", "docs/architecture.md"]),
        (DESIGNS, ["README.md", "docs/method.md", "docs/command-line.md", "docs/architecture.md"]),
        (NETWORKS, ["README.md", "docs/method.md", "docs/command-line.md", "docs/architecture.md"]),
        (RIVALS, ["README.md", "docs/method.md", "docs/command-line.md", "docs/architecture.md"]),
        (
            OBJECTIVES,
            ["README.md", "docs/method.md", "docs/selection.md", "docs/command-line.md"],
        ),
        (OPTIMIZERS, ["docs/selection.md", "docs/command-line.md", "docs/architecture.md"]),
        (USE_CASES, ["docs/selection.md", "docs/command-line.md", "docs/architecture.md"]),
        (SCHEMAS, ["docs/command-line.md", "docs/architecture.md"]),
    ],
    ids=[
        *("methods", "designs", "networks", "rivals"),
        *("objectives", "optimizers", "use-cases", "schemas"),
    ],
)
def test_every_registered_name_is_documented(registry, pages):
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        missing = [name for name in registry.names if f"`{name}`" not in text]
        assert not missing, f"{page} does not name {missing}"


def test_what_the_readme_calls_available_is_registered():
    """A row of the tables of methods and estimators: title, name, and last the status."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]+\| `([\w-]+)` \|.*\| (available|not yet) \|$", text, re.MULTILINE)
    known = {*METHODS.names, *NETWORKS.names, *RIVALS.names}
    assert {name for name, status in rows if status == "available"} == known
    assert not {name for name, status in rows if status == "not yet"} & known


def test_the_sizes_of_networks_and_rivals_are_those_of_the_code():
    """Parameters and multiply-adds a pair: two tables of ``docs/method.md``."""
    from nncift_core.network.ensemble import EnsembleNetwork
    from nncift_core.network.paper import PaperNetwork
    from nncift_core.network.process import FEATURES
    from nncift_core.network.products import ProductNetwork
    from nncift_core.network.rivals import RIDGE_COMPONENTS
    from nncift_core.network.towers import TowersNetwork
    from nncift_core.network.whitening import COMPONENTS

    text = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    part = text.split("#### Estimators")[1].split("####")[0]
    rows = re.findall(r"^\|[^|]+\| `([\w-]+)` \|[^|]+\|([^|]+)\|([^|]+)\|$", part, re.MULTILINE)
    sizes = {name: (parameters.strip(), cost.strip()) for name, parameters, cost in rows}
    assert list(sizes) == [*NETWORKS.names, *RIVALS.names]
    for name, kind in (
        ("product", ProductNetwork),
        ("towers", TowersNetwork),
        ("ensemble", EnsembleNetwork),
    ):
        network = kind(COMPONENTS)
        count = sum(weight.numel() for weight in network.parameters())
        assert sizes[name] == (f"{count:,}", str(network.pair_cost))
    paper = PaperNetwork(7)
    assert sizes["paper"] == ("200 · d + 201", str(paper.pair_cost))
    assert sum(weight.numel() for weight in paper.parameters()) == 200 * 7 + 201
    assert sizes["process"][1].startswith(f"at most {2 * (FEATURES + 1)},")
    width = RIDGE_COMPONENTS + 1
    assert sizes["ridge"] == (f"{width**2 + 1:,}", str(width))


@pytest.mark.parametrize(
    "folder", ["pipeline", "influence", "network", "lm", "selection", "studies"]
)
def test_every_module_is_in_the_tables_of_the_architecture(folder):
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| module of `{folder}` \|.*?\n\n", text, re.DOTALL | re.MULTILINE)
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:-1]))
    modules = {path.stem for path in (ROOT / "nncift_core" / folder).glob("*.py")} - {"__init__"}
    assert sorted(named) == sorted(modules)


def test_the_files_of_a_run_are_documented():
    code = (ROOT / "nncift_core" / "pipeline" / "artifacts.py").read_text(encoding="utf-8")
    files = set(re.findall(r'self\.folder / "([\w.]+)"', code))
    assert {"labels.npy", "estimators.json", "uncertainty.json"} <= files
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.split("### A run's folder")[1].split("\n## ")[0]
    assert not {name for name in files if f"`{name}`" not in section}


def test_every_page_of_the_app_has_a_section():
    code = (ROOT / "pages" / "_ui" / "navigation.py").read_text(encoding="utf-8")
    titles = re.findall(r'PageEntry\("pages/\w+\.py", "(\w+)"', code)
    assert len(titles) == len(list((ROOT / "pages").glob("[a-z]*.py")))
    text = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+): ", text, re.MULTILINE) == titles


def test_the_json_keys_are_documented():
    from nncift_core.cli.output import QUADRANT_KEYS
    from nncift_core.pipeline.artifacts import STAGES

    section = COMMAND_LINE.split("### JSON output")[1].split("###")[0]
    rows = dict(re.findall(r"^\| `(seconds|quadrants)` \|(.*)\|$", section, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows["seconds"])) == set(STAGES)
    named = set(re.findall(r"`(\w+)`", rows["quadrants"])) - {"null", "q1", "q4", "q1u"}
    assert named == set(QUADRANT_KEYS)


def test_the_json_keys_of_a_pilot_are_documented():
    """``tests/unit/cli/test_language_models.py`` holds the program to the same list."""
    section = sections()["pilot"].split("With `--json`")[1]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]+)\|", section, re.MULTILINE)))
    assert named == [
        "unit", "rate", "label_units", "label_seconds", "full_units", "full_seconds",
    ]  # fmt: skip


@pytest.mark.parametrize(("heading", "parse"), [("Rules", parse_rules), ("Quotas", parse_quotas)])
def test_the_examples_of_the_two_languages_can_be_read(heading, parse):
    text = (ROOT / "docs" / "selection.md").read_text(encoding="utf-8")
    part = text.split(f"\n### {heading}\n")[1].split("\n#")[0]
    examples = re.findall(r"^ {4}(\S.*)$", part, re.MULTILINE)
    assert len(examples) >= 3
    for example_ in examples:
        assert parse(example_)
    option = {"Rules": "--ban-where", "Quotas": "--quota"}[heading]
    (whole,) = re.findall(rf"^ {{4}}{option} '(.*)'$", COMMAND_LINE, re.MULTILINE)
    assert len(parse(whole)) == 3


def test_what_methods_need_is_documented():
    """``docs/adding.md`` explains every need that an entry of the registry names."""
    text = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    for method in METHODS:
        for need in method.needs:
            assert re.search(rf"^\| [^|]*`{need}`[^|]* \|", text, re.MULTILINE), need


def anchor(heading):
    """The anchor that a Markdown viewer gives a heading."""
    plain = unicodedata.normalize("NFC", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@each_page
def test_relative_links_and_images_lead_somewhere(page):
    text = without_code(page.read_text(encoding="utf-8"))
    for target in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{page.name}: {target} leaves the repository"
        assert file.exists(), f"{page.name}: {target} does not exist"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, f"{page.name}: {target}"


@each_page
def test_files_named_in_code_style_exist(page):
    """Paths of the repository that a text names, such as ``nncift_core/files.py``."""
    text = without_code(page.read_text(encoding="utf-8"))
    made_by_examples = set()
    if page.name == "adding.md":
        made_by_examples = set(
            re.findall(r"^\*\*\d\. [^`*]*\*\*,? (?:at the end of [^`]*)?`([^`]+)`", text, re.M)
        )
    named = re.findall(r"`((?:nncift_core|pages|tests|data|docs|benchmarks)/[\w./-]*)`", text)
    results = "benchmarks/results/"
    for path in named:
        if path not in made_by_examples and not path.startswith(results):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


@each_page
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", text, re.MULTILINE)
    assert set(named) <= targets


def test_the_readme_begins_with_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^ {4}make ([a-z]+)", text, re.MULTILINE)[:2] == ["run", "test"]


UNWANTED = {
    "a path of one machine": r"(?<![\w.~}/])/(?:home|root|tmp|work|Users|mnt|opt|srv)/",
    "a folder beside the repository": r"(?<![\w/])(?:\.\./)?shared/",
    "a host that nobody needs to visit": r"https?://(?!localhost\b|127\.0\.0\.1\b|arxiv\.org/|huggingface\.co/|"
    r"keepachangelog\.com\b|semver\.org\b)",
    "a long dash": "[\u2013\u2014]",
    # DESIGN alone is what the command line calls the value of an option.
    "a work note": r"\b(?:TODO|FIXME|XXX|SPEC|DESIGN(?=\.md|,? (?:section|§)))\b",
    "what is not about the software": r"\b(?:AI|agents?|issue \#?\d+)\b",
    "praise": r"(?i)\b(?:blazing\w*|seamless\w*|powerful|cutting-edge|state-of-the-art|"
    r"effortless\w*|game-chang\w*)\b",
}


def written_files():
    """Documentation, and code with its comments; tests name folders that only they read."""
    folders = ("nncift_core", "pages", "data", "benchmarks")
    code = [
        path
        for folder in folders
        for suffix in ("py", "cpp", "sql")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    ]
    return [*PAGES, ROOT / "app.py", ROOT / "Makefile", *sorted(code)]


@pytest.mark.parametrize("what", UNWANTED)
def test_nothing_unwanted_is_written(what):
    for path in written_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            found = re.search(UNWANTED[what], line)
            place = f"{path.relative_to(ROOT)}:{number}"
            assert not found, f"{place} holds {what}: {line.strip()}"


def example(number):
    """The three blocks of one worked example: implementation, entry, test."""
    text = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    return blocks[3 * number : 3 * number + 3]


@pytest.mark.parametrize(
    ("number", "registry", "entry_type"),
    [(0, OBJECTIVES, ObjectiveEntry), (1, METHODS, MethodEntry)],
    ids=["objective", "influence"],
)
def test_the_worked_examples_work(number, registry, entry_type, monkeypatch):
    implementation, entry_text, test = example(number)
    entry = eval(entry_text.strip().rstrip(","), {entry_type.__name__: entry_type})
    name = entry.target.split(":")[0]
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(implementation, f"{name} in adding.md", "exec"), module.__dict__)
    monkeypatch.setitem(registry._entries, entry.name, entry)
    space = {"__name__": "example"}
    exec(compile(test, "test in adding.md", "exec"), space)
    tests = [item for key, item in space.items() if key.startswith("test_")]
    assert tests
    for run in tests:
        run()


def test_the_examples_of_adding_pass_the_linter(tmp_path):
    for number in (0, 1):
        for place, block in enumerate(example(number)):
            if place != 1:
                (tmp_path / f"part_{number}_{place}.py").write_text(block, encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--line-length", "100", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
