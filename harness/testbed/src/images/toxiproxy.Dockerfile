# Toxiproxy, which Go built on the host: static, so it needs no system below it. As in the official image, at /toxiproxy.
FROM scratch
# Those on the base have it from there.
LABEL crossover.standin=1
COPY server /toxiproxy
ENTRYPOINT ["/toxiproxy"]
CMD ["-host=127.0.0.1"]
