# shipsmith's own image: `cargo xtask dist` makes dist/, then `shipsmith build -t shipsmith .`
FROM scratch
COPY dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chmod=0755 dist/shipsmith /bin/shipsmith
ENV PATH=/bin SHIPSMITH_STORE=/var/lib/shipsmith
VOLUME /var/lib/shipsmith
WORKDIR /workspace
LABEL org.opencontainers.image.title="shipsmith" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/bin/shipsmith"]
CMD ["--help"]
