"""Answers questions about charts with Helm's own SDK: a JSON object a line in, one out.

Usage: python3 -c PROGRAM HELM_ORACLE FOLDER. It runs in the environment that helm-oracle installs, and uses helm-oracle's own
rendering. Its first line says that it is ready. FOLDER is its own, for temporary files, and goes with it.
"""

import base64
import importlib.machinery
import importlib.util
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile

ORACLE = sys.argv[1]


def load_oracle():
    loader = importlib.machinery.SourceFileLoader("helm_oracle", ORACLE)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("helm_oracle", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


oracle = load_oracle()
try:
    import helm_python as helm
except ImportError:
    if os.environ.get("DIFFERENTIAL_REEXEC"):
        raise
    subprocess.run([sys.executable, ORACLE, "version"], check=True, stdout=sys.stderr)
    python = os.path.join(oracle.venv_dir(), "bin", "python")
    os.execve(python, [python] + sys.orig_argv[1:], dict(os.environ, DIFFERENTIAL_REEXEC="1"))

from helm_python import _native as native


def archive(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as tar:
        for name, data in files:
            info = tarfile.TarInfo("c/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def rendered(question, files):
    """What the engine makes of templates/NOTES.txt, before documents are looked at."""
    with helm.Chart.load_archive(archive(files)) as chart:
        options = {"name": "rel", "namespace": "ns", "kube_version": "v1.33.1"}
        out = json.loads(native.call_string("helm_render", chart._raw(), question["values"], json.dumps(options)))
    return out["c/templates/NOTES.txt"]


def templated(question, files, folder):
    """What `helm template` prints, with the notes after it."""
    with tempfile.TemporaryDirectory() as at:
        if folder:
            path = os.path.join(at, "c")
            for name, data in files:
                to = os.path.join(path, name)
                os.makedirs(os.path.dirname(to), exist_ok=True)
                with open(to, "wb") as file:
                    file.write(data)
        else:
            path = os.path.join(at, "c.tgz")
            with open(path, "wb") as file:
                file.write(archive(files))
        options = question.get("options") or {}
        out = oracle.render(path, name="rel", namespace="ns", kube_version="v1.33.1", values=json.loads(question["values"]), **options)
    return oracle.template_text(out) + "\n-- notes\n" + out["notes"]


SETTERS = {
    "set": "helm_strvals_parse",
    "set-string": "helm_strvals_parse_string",
    "set-json": "helm_strvals_parse_json",
    "set-literal": "helm_strvals_parse_literal",
}


def answer(question):
    files = [(name, base64.b64decode(data)) for name, data in question.get("files", ())]
    kind = question["kind"]
    if kind == "render":
        return rendered(question, files)
    if kind in ("template", "folder"):
        return templated(question, files, kind == "folder")
    return json.dumps(json.loads(native.call_string(SETTERS[kind], question["text"])), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def say(out):
    sys.stdout.buffer.write(json.dumps(out).encode() + b"\n")
    sys.stdout.buffer.flush()


def main():
    # Go makes texts of any size, of values that contain themselves twice; better it dies than the machine.
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    say({"ready": True})
    for line in sys.stdin.buffer:
        try:
            question = json.loads(line)
            out = {"output": answer(question)}
        except oracle.SelfCheckError as error:
            out = {"unknown": str(error)}
        except (helm.HelmError, oracle.OracleError) as error:
            # The SDK renders no upgrade to the end: what follows the templates is helm-oracle's work, errors too.
            imitated = str(error).startswith("error ") and (question.get("options") or {}).get("is_upgrade")
            out = {"unknown" if imitated else "error": str(error)}
        except Exception as error:  # what cannot be asked, such as a folder with impossible names
            out = {"unknown": repr(error)}
        say(out)
    shutil.rmtree(sys.argv[2], ignore_errors=True)


main()
