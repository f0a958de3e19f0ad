import type { Plugin } from 'esbuild';

/**
 * Packages that a package of the program asks for when it is loaded, and that boundary never comes to use: dockerode's
 * BuildKit sessions and its transport over ssh, and docker-modem's reader of DOCKER_CERT_PATH, whose files are read in
 * isolation/container/engine-address.ts.
 */
const LEFT_OUT = ['@grpc/grpc-js', '@grpc/proto-loader', 'protobufjs', 'ssh2', 'split-ca'];

/** Puts a function that does nothing in the place of each of {@link LEFT_OUT}. */
export const leftOut: Plugin = {
  name: 'left-out',
  setup(build) {
    const names = new RegExp(`^(?:${LEFT_OUT.join('|')})$`);
    build.onResolve({ filter: names }, ({ path }) => ({ path, namespace: 'left-out' }));
    build.onLoad({ filter: names, namespace: 'left-out' }, () => ({
      contents: 'module.exports = () => undefined;',
      loader: 'js',
    }));
  },
};
