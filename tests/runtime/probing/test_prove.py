"""Before anything is drawn every engine has shown what it computes, wherever it comes from; and it shows it once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import latentlink
from latentlink.bench.studies.faulty_bundles import affine_input, copy_bundle, engine_of
from latentlink.engine.bundle import Bundle
from latentlink.engine.targets import this_machine
from latentlink.errors import BundleError, ExitStatus, LatentLinkError, LinkError
from latentlink.runtime import bundle_path
from latentlink.runtime.linking import Proof
from latentlink.runtime.probing import check_candidate, check_engine, earlier, prove
from latentlink.runtime.probing.earlier import EarlierProofs
from latentlink.runtime.probing.verify import verify

pytestmark = pytest.mark.usefixtures("both_loaders")

DEMO, OTHER = bundle_path("demo"), bundle_path("demo-b")
COMPONENTS = ("denoiser", "denoiser_shallow", "text_encoder", "vae_decoder", "vae_encoder")


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """demo with one engine of demo-b under demo's symbols; fingerprints and hashes are right."""
    folder = tmp_path_factory.mktemp("swapped")

    def copy(component: str) -> Path:
        out = folder / component
        return out if out.exists() else copy_bundle(DEMO, out, {component: engine_of(OTHER, component)})

    return copy


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The components that ran their probes, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found: list[str] = []

    def watched(engine: Any, *arguments: Any) -> Any:
        found.append(engine.component)
        return check_engine(engine, *arguments)

    monkeypatch.setattr(prove, "check_engine", watched)
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_engine_that_was_swapped_inside_its_bundle_is_refused(
    component: str, swapped: Callable[[str], Path]
) -> None:
    with pytest.raises(BundleError, match=f"{component} of .* does not compute what its probe says") as refused:
        latentlink.load(swapped(component))
    assert refused.value.status == ExitStatus.BUNDLE_DAMAGED


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_swapped_engine_is_refused_as_a_replacement(component: str, swapped: Callable[[str], Path]) -> None:
    with pytest.raises(LinkError, match=f"{component} of .*{component}") as refused:
        latentlink.load("demo", replace={component: swapped(component)})
    assert refused.value.status == ExitStatus.LINK_REFUSED


def test_a_replaced_denoiser_brings_no_swapped_shallow_one(swapped: Callable[[str], Path]) -> None:
    with pytest.raises(LinkError, match=r"denoiser_shallow of .* does not compute what its probe says"):
        latentlink.load("demo", replace={"denoiser": swapped("denoiser_shallow")})


def test_a_swapped_decoder_makes_no_previews(swapped: Callable[[str], Path]) -> None:
    with pytest.raises(LinkError, match=r"vae_decoder of .* has the symbols of demo, but"):
        latentlink.load("demo", previews=swapped("vae_decoder"))


def test_probes_of_another_model_prove_nothing_of_a_replaced_denoiser(tmp_path: Path) -> None:
    names = ("text_encoder", "vae_decoder", "vae_encoder", "denoiser_shallow")
    bare = copy_bundle(
        DEMO, tmp_path / "bare", {}, lambda m: replace(m, probes={name: m.probes[name] for name in names})
    )
    with pytest.raises(LinkError, match=r"no probes of its denoiser .*verify=False"):
        latentlink.load("demo", replace={"denoiser": bare})


def test_a_denoiser_of_the_same_numbers_takes_the_others_place(tmp_path: Path) -> None:
    other = copy_bundle(DEMO, tmp_path / "other", {})
    with latentlink.load("demo", replace={"denoiser": other}) as pipe:
        found = {one.component: (one.bundle == "demo", one.admission is None) for one in pipe.decisions}
    # what is not the denoiser's is compared with the probes of its bundle
    assert found["denoiser"] == found["denoiser_shallow"] == (False, True)
    assert found["text_encoder"] == found["vae_decoder"] == found["vae_encoder"] == (True, False)


def test_an_engine_that_is_right_on_its_first_probe_alone_is_refused(tmp_path: Path) -> None:
    # the first picture is encoded to the posterior's mode, another one with noise
    noise = Bundle.open(DEMO).manifest.components["vae_encoder"].inputs[-1]
    assert noise.slot == "noise"
    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_encoder": affine_input(noise.tensor, 2.0, 0.0)})
    with pytest.raises(BundleError, match=r"vae_encoder of .* does not compute what its probe says"):
        latentlink.load(bad)


def test_a_bundle_without_probes_draws_only_if_told_to(tmp_path: Path) -> None:
    bare = copy_bundle(DEMO, tmp_path / "bare", {}, lambda manifest: replace(manifest, probes={}))
    with pytest.raises(BundleError, match=r"no probes of its denoiser to verify it by.*verify=False"):
        latentlink.load(bare)
    latentlink.load(bare, verify=False).close()


def test_the_decisions_hold_what_was_proved(ran: list[str]) -> None:
    with latentlink.load("demo") as pipe, latentlink.load("demo") as again, latentlink.load("demo", verify=False) as un:
        proofs = {one.component: one.proof for one in pipe.decisions}
        assert pipe.decisions == again.decisions
        assert {one.proof for one in un.decisions} == {None}
    assert {component: proof.probes for component, proof in proofs.items() if proof is not None} == {
        "denoiser": 3,
        "denoiser_shallow": 3,
        "text_encoder": 3,
        "vae_decoder": 8,
        "vae_encoder": 8,
    }
    assert all(proof is not None and proof.psnr >= 55 and proof.worst <= 1 / 255 for proof in proofs.values())


def test_an_engine_proves_itself_once_for_each_state_of_its_bundle_and_each_machine(
    ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_bundle(DEMO, tmp_path / "copy", {})
    latentlink.load(copy).close()
    assert sorted(ran) == sorted(COMPONENTS)
    ran.clear()
    latentlink.load(copy).close()
    assert ran == []
    latentlink.load(copy, verify=True).close()
    assert sorted(ran) == sorted(COMPONENTS)
    ran.clear()
    with (copy / "manifest.json").open("a") as manifest:
        manifest.write("\n")
    latentlink.load(copy).close()
    assert sorted(ran) == sorted(COMPONENTS)
    ran.clear()
    here = this_machine()
    monkeypatch.setattr(earlier, "this_machine", lambda: replace(here, processor="another one"))
    latentlink.load(copy).close()
    assert sorted(ran) == sorted(COMPONENTS)


def test_a_file_that_was_changed_after_the_proof_is_found(ran: list[str], tmp_path: Path) -> None:
    copy = copy_bundle(DEMO, tmp_path / "copy", {})
    latentlink.load(copy).close()
    path = copy / Bundle.open(copy).manifest.components["denoiser"].engines[0].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256"):
        latentlink.load(copy)


def test_a_replacement_proves_itself_once_for_each_bundle_that_it_is_put_into(
    ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def watched(engine: Any, *arguments: Any) -> Any:
        judged.append(engine.component)
        return check_candidate(engine, *arguments)

    monkeypatch.setattr(prove, "check_candidate", watched)
    same = copy_bundle(DEMO, tmp_path / "same", {})
    other = copy_bundle(DEMO, tmp_path / "other", {}, lambda manifest: replace(manifest, name="other"))
    for host, times in (("demo", 1), (same, 1), (other, 2)):
        with latentlink.load(host, replace={"vae_decoder": "demo-tiny"}) as pipe:
            (found,) = (one.admission for one in pipe.decisions if one.admission is not None)
        assert found.host == str(host)
        assert not found.same
        assert judged == ["vae_decoder"] * times


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("cache", ["a file", "no home", "/proc/nowhere"])
def test_a_cache_that_cannot_be_written_holds_nothing_and_is_no_error(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
    if cache == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", no_home)
    proofs = EarlierProofs()
    proofs.keep(Proof(probes=3, psnr=100.0, worst=0.0), ["a bundle"])
    assert proofs.find(Proof, ["a bundle"]) is None


def test_a_damaged_proof_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    proofs, proof = EarlierProofs(), Proof(probes=3, psnr=float("inf"), worst=0.0)
    proofs.keep(proof, ["a bundle"])
    assert proofs.find(Proof, ["a bundle"]) == proof
    assert proofs.find(Proof, ["another"]) is None
    (file,) = (tmp_path / "latentlink" / "proofs").iterdir()
    for content in (b"", b"\xff{", b"[1]", b"{}", b'{"probes": 3}', b"[" * 100_000):
        file.write_bytes(content)
        assert proofs.find(Proof, ["a bundle"]) is None


def test_loads_at_the_same_time_do_not_disturb_each_other(ran: list[str], tmp_path: Path) -> None:
    proof = Proof(probes=3, psnr=100.0, worst=0.0)

    def work(number: int) -> set[Proof | None]:
        proofs = EarlierProofs()
        found = set()
        for _ in range(20):
            proofs.keep(proof, ["a bundle"])
            found.add(proofs.find(Proof, ["a bundle"]))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert {one for found in pool.map(work, range(8)) for one in found} == {proof}
    assert len([*(tmp_path / "cache" / "latentlink" / "proofs").iterdir()]) == 1
    with ThreadPoolExecutor(2) as pool:
        for pipe in pool.map(lambda _: latentlink.load("demo"), range(2)):
            pipe.close()


@pytest.mark.parametrize("quick", [False, True])
def test_what_verify_showed_of_a_whole_bundle_counts_for_a_load(ran: list[str], quick: bool) -> None:
    assert {check.verdict for check in verify(Bundle.open(DEMO), quick=quick)} == {"passed"}
    assert not ran  # by `load`
    with latentlink.load(DEMO) as pipe:
        assert all(decision.proof is not None for decision in pipe.decisions)
    assert sorted(ran) == (sorted(COMPONENTS) if quick else [])


def test_a_failed_proof_is_not_kept(ran: list[str], swapped: Callable[[str], Path]) -> None:
    for _ in range(2):
        with pytest.raises(LatentLinkError):
            latentlink.load(swapped("denoiser"))
    assert ran == ["denoiser", "denoiser"]
