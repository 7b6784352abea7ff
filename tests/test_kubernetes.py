"""The manifests fit the schemas of Kubernetes, and what they say fits the server. No cluster is needed."""

import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from hydra import compose, initialize_config_dir
from support.commands import ROOT

from polyhead.app.jobs.serve import _hosts
from polyhead.deployment.server.metrics import ServerMetrics

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
VERSIONS = ["1.30", "1.37"]  # the oldest that is tried, and the newest whose schemas are at hand
(LABELS,) = [entry["pairs"] for entry in KUSTOMIZATION["labels"]]


def manifest(name):
    """Return a manifest with the selector that kustomize adds."""
    content = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    if content["kind"] == "Deployment":
        content["spec"]["selector"] = {"matchLabels": LABELS}
    return content


MANIFESTS = {name: manifest(name) for name in KUSTOMIZATION["resources"]}
DEPLOYMENT = MANIFESTS["deployment.yaml"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
(SERVER,) = POD["containers"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_fits_its_schema_and_has_no_other_fields(name, version):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_schema_refuses_what_kubernetes_does_not_know():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**MANIFESTS["service.yaml"], "spex": {}}, VERSIONS[-1], strict=True)


def test_every_manifest_is_listed():
    others = {"kustomization.yaml", "prometheus_adapter.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == {*KUSTOMIZATION["resources"], *others}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl is installed")
def test_kustomize_builds_manifests_that_belong_together():
    done = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True)
    built = {content["kind"]: content for content in yaml.safe_load_all(done.stdout)}
    assert len(built) == len(MANIFESTS)
    pod = built["Deployment"]["spec"]["template"]
    assert built["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert built["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert built["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == built["Deployment"]["metadata"]["name"]
    assert pod["spec"]["containers"][0]["image"].startswith(KUSTOMIZATION["images"][0]["newName"])
    for content in built.values():
        kubernetes_validate.validate(content, VERSIONS[-1], strict=True)


def test_server_takes_its_arguments():
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("serve", overrides=SERVER["args"])
    assert (ROOT / SERVER["command"][1]).is_file()
    service, namespace = MANIFESTS["service.yaml"]["metadata"]["name"], KUSTOMIZATION["namespace"]
    assert _hosts(config.hosts)[:2] == [service, f"{service}.{namespace}"]
    assert POD["terminationGracePeriodSeconds"] > config.drain_seconds + config.stop_seconds
    ready = SERVER["readinessProbe"]
    assert config.drain_seconds > 2 * ready["periodSeconds"] * ready["failureThreshold"]
    assert SERVER["ports"][0]["containerPort"] == config.port


def test_container_has_no_rights_that_it_does_not_need():
    assert POD["securityContext"]["runAsNonRoot"]
    assert SERVER["securityContext"]["readOnlyRootFilesystem"]
    assert not SERVER["securityContext"]["allowPrivilegeEscalation"]
    user = int(re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[0])
    assert POD["securityContext"]["runAsUser"] == user


def test_container_mounts_what_the_pod_has():
    assert {mount["name"] for mount in SERVER["volumeMounts"]} == {volume["name"] for volume in POD["volumes"]}
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in POD["volumes"] if "emptyDir" not in volume]
    assert claims == [MANIFESTS["models.yaml"]["metadata"]["name"]]


def test_autoscaler_reads_a_counter_that_the_server_has():
    (metric,) = MANIFESTS["autoscaler.yaml"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name in {family.name for family in ServerMetrics().registry.collect()}
    adapter = yaml.safe_load((FOLDER / "prometheus_adapter.yaml").read_text(encoding="utf-8"))
    (rule,) = adapter["rules"]["custom"]
    assert rule["seriesQuery"].startswith(name + "{")
