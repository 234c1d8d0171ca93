# The service: one image for front processes (the default command) and workers (`node dist/workers/config.worker.js`).
# A test does what these steps do, in an empty folder. No Docker engine has run them.
FROM node:24.21.0-bookworm-slim AS base

FROM base AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/bundle.mjs scripts/bundle-console.mjs ./scripts/
COPY src ./src
COPY workers ./workers
COPY console ./console
RUN npm run build
# The compiler stays otherwise, since a library would use it if it is there.
RUN npm prune --omit=dev --ignore-scripts \
  && rm -rf node_modules/typescript node_modules/@typescript

FROM base
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY docs/openapi.json docs/errors.md ./docs/
# The user node, as a number, so that Kubernetes can verify that it is not root.
USER 1000:1000
EXPOSE 8080 9464
# tini reaps what is orphaned and passes signals on; the service drains on SIGTERM.
ENTRYPOINT ["tini", "--"]
CMD ["node", "dist/src/cluster.js"]
