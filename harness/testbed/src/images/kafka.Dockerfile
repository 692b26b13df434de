# A Java runtime and Kafka's jars, which Maven fetched on the host. The harness writes the configuration and starts it.
ARG BASE
FROM ${BASE}
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update \
 && apt-get install --yes --no-install-recommends default-jre-headless \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY libs /opt/kafka/libs
