import json

import pytest

from mrcnn.errors import UserError
from mrcnn.train.workers import cluster
from mrcnn.train.workers.cluster import Cluster


def tf_config(jobs, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def slurm(rank="0", nodes="gpu[1-2]", tasks="2(x2)", **more):
    return {"SLURM_PROCID": rank, "SLURM_STEP_NODELIST": nodes, "SLURM_STEP_TASKS_PER_NODE": tasks, **more}


def test_from_tf_config_the_chief_comes_first():
    jobs = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    assert cluster.from_tf_config(tf_config(jobs, "worker", 1)) == Cluster(("a:1", "b:2", "c:3"), 2)
    assert cluster.from_tf_config(tf_config(jobs, "chief")) == Cluster(("a:1", "b:2", "c:3"), 0)
    without = cluster.from_tf_config(tf_config({"worker": ["b:2", "[::1]:3"]}, index=1))
    assert (without, without.count) == (Cluster(("b:2", "[::1]:3"), 1), 2)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "TF_CONFIG is not set"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG must be JSON: "),
        ({"TF_CONFIG": "[1]"}, r"must be an object of JSON, got \[1\]"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "must have an object `task`, got null"),
        (tf_config({"ps": ["a:1"], "worker": ["b:2"]}), "may have the jobs chief and worker, got ps"),
        (tf_config({"worker": "a:1"}), "addresses host:port of the job worker, got .a:1"),
        (tf_config({"worker": ["a"]}), "addresses host:port of the job worker"),
        (tf_config({"worker": ["a:0"]}), "addresses host:port of the job worker"),
        (tf_config({"worker": ["a:65536"]}), "addresses host:port of the job worker"),
        (tf_config({"worker": [1]}), "addresses host:port of the job worker"),
        (tf_config({"chief": ["a:1", "b:2"]}, "chief"), "must have one chief at most, got 2"),
        (tf_config({"worker": ["a:1"]}, index=1), "got type .worker. and index 1"),
        (tf_config({"worker": ["a:1"]}, index=True), "index true"),
        (tf_config({"worker": ["a:1"]}, "evaluator"), "got type .evaluator."),
        (tf_config({}), "got type .worker. and index 0"),
    ],
)
def test_from_tf_config_malformed(environment, message):
    with pytest.raises(UserError, match=message):
        cluster.from_tf_config(environment)


def test_from_slurm_has_a_port_for_each_task_of_a_machine():
    found = cluster.from_slurm(slurm("2", "gpu[9-10],login", "2,1,1"), port=500)
    assert found == Cluster(("gpu9:500", "gpu9:501", "gpu10:500", "login:500"), 2)
    assert cluster.from_slurm(slurm("3", SLURMD_NODENAME="gpu2")).index == 3


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "SLURM_PROCID and SLURM_STEP_NODELIST and SLURM_STEP_TASKS_PER_NODE not set: start .* by `srun`"),
        (slurm(tasks="2"), "SLURM_STEP_NODELIST lists 2 machines and SLURM_STEP_TASKS_PER_NODE 1"),
        (slurm("4"), "SLURM_PROCID must be less than the 4 tasks of the step, got '4'"),
        (slurm("-1"), "got '-1'"),
        (slurm("1", SLURMD_NODENAME="gpu2"), "runs on gpu2, in blocks it would run on gpu1: .*--distribution=block"),
    ],
)
def test_from_slurm_malformed(environment, message):
    with pytest.raises(UserError, match=message):
        cluster.from_slurm(environment)


@pytest.mark.parametrize("port", [0, -1, 65535, 70000])
def test_from_slurm_needs_ports_for_all_tasks_of_a_machine(port):
    with pytest.raises(UserError, match=rf"`--workers-port` must be in 1\.\.65534, got {port}"):  # two tasks on each
        cluster.from_slurm(slurm(), port=port)
    assert cluster.from_slurm(slurm(), port=65534).addresses[1] == "gpu1:65535"


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("one", ["one"]),
        ("gpu[01-03,07],login", ["gpu01", "gpu02", "gpu03", "gpu07", "login"]),
        ("a[9-10]b,c-d.e", ["a9b", "a10b", "c-d.e"]),
        ("", []),
    ],
)
def test_hosts_of(text, hosts):
    assert cluster.hosts_of(text) == hosts


@pytest.mark.parametrize("text", ["gpu[1-", "gpu[a]", "gpu[1-2-3]", "gpu[]", "a]b"])
def test_hosts_of_malformed(text):
    with pytest.raises(UserError, match="SLURM_STEP_NODELIST must be a list of machines"):
        cluster.hosts_of(text)


def test_tasks_of():
    assert cluster.tasks_of("2(x3),1") == [2, 2, 2, 1]
    for text in ("", "2(x)", "x3", "2(3)"):
        with pytest.raises(UserError, match="must be numbers of tasks"):
            cluster.tasks_of(text)


def test_find_auto_prefers_tf_config():
    jobs = tf_config({"worker": ["a:1", "b:2"]})
    assert cluster.find("auto", {**slurm(), **jobs}).addresses == ("a:1", "b:2")
    assert cluster.find("auto", slurm()).addresses[0] == f"gpu1:{cluster.PORT}"
    assert cluster.find("slurm", {**slurm(), **jobs}, port=7).addresses[0] == "gpu1:7"
    with pytest.raises(UserError, match="`--workers` auto found no workers: set TF_CONFIG"):
        cluster.find("auto", {"TF_CONFIG": ""})
    with pytest.raises(UserError, match="TF_CONFIG is not set"):
        cluster.find("tf_config", slurm())
