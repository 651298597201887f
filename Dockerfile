# An Atoll node: one process, one data directory (/data).
#
#   docker build -t atoll .
#   docker run -p 5000:5000 -v atoll:/data -e ATOLL_ADVERTISE_RPC=127.0.0.1:6000 \
#     -e ATOLL_NODE=one -e ATOLL_INITIAL=one atoll
#
# That is a cluster of one: it begins 10 s after the first start. See docs/operations.md for more. The
# admin API is on a loopback address inside the container: `docker exec NAME atoll status`.

FROM python:3.11-slim AS build
WORKDIR /src
# The tools come from the lock, hashes checked, into an environment that stays in this stage.
COPY requirements.lock ./
RUN python -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
# The node's own environment: what pyproject.toml needs at run time, in the lock's versions.
COPY pyproject.toml README.md LICENSE ./
RUN python -m venv --without-pip /opt/atoll \
 && /tools/bin/uv pip compile pyproject.toml --constraints requirements.lock \
      --generate-hashes --quiet --output-file runtime.lock \
 && /tools/bin/uv pip install --no-cache --python /opt/atoll/bin/python \
      --require-hashes -r runtime.lock
COPY protos ./protos
COPY cluster ./cluster
COPY node ./node
RUN VIRTUAL_ENV=/tools /tools/bin/uv build --wheel --no-build-isolation \
      --python /tools/bin/python --out-dir dist . \
 && /tools/bin/uv pip install --no-cache --python /opt/atoll/bin/python --no-deps dist/*.whl \
 && python -m compileall -q --invalidation-mode checked-hash /opt/atoll/lib \
 && /opt/atoll/bin/python -c 'from node.ui.renderer import environment; environment()'

FROM python:3.11-slim
# The base image has no byte code of Python's own library, and the node's user could not keep it:
# every start, and every health check, would compile it again.
RUN groupadd --system --gid 10001 atoll \
 && useradd --system --uid 10001 --gid atoll --home-dir /data --no-create-home atoll \
 && install -d -o atoll -g atoll /data \
 && python -m compileall -q --invalidation-mode checked-hash \
      -x 'site-packages|idlelib|lib2to3|/tests?/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/atoll /opt/atoll
ENV PATH=/opt/atoll/bin:$PATH \
    ATOLL_DATA_DIR=/data \
    ATOLL_HTTP=0.0.0.0:5000 \
    ATOLL_RPC=0.0.0.0:6000
# A number: Kubernetes does not know from a name whether that is root (runAsNonRoot).
USER 10001:10001
VOLUME /data
EXPOSE 5000 6000
# The slim image has Python but no curl. An address in ATOLL_HTTP other than port 5000 needs its
# own --health-cmd.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/healthz', timeout=2)"]
ENTRYPOINT ["atoll"]
CMD ["serve"]
