# The server with the embedded engine: no GPU, nothing to download.
FROM python:3.12-slim
RUN useradd --create-home --uid 10001 orbitview && mkdir /data && chown orbitview /data
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir .
USER orbitview
ENV ORBITVIEW_HOST=0.0.0.0 ORBITVIEW_PORT=8000 ORBITVIEW_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["orbitview"]
CMD ["serve"]
