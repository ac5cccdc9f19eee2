// A check in JavaScript: a process called `name` runs.

import { write } from 'vrrp-host:plugin/log@0.1.0';
import { find } from 'vrrp-host:plugin/process@0.1.0';

const schema = {
  type: 'object',
  properties: { name: { type: 'string' } },
  required: ['name'],
  additionalProperties: false,
};

let name = '';

export const checker = {
  describe() {
    return {
      name: 'running-javascript',
      version: '1.0.0',
      description: 'A process runs.',
      configSchema: JSON.stringify(schema),
    };
  },

  configure(config) {
    const keys = JSON.parse(config);
    const errors = Object.keys(keys)
      .filter((key) => key !== 'name')
      .map((key) => ({ pointer: `/${key}`, message: `unknown key \`${key}\`` }));
    name = keys.name;
    if (typeof name !== 'string' || name === '') {
      errors.push({ pointer: '/name', message: 'write the name of a process' });
    }
    if (errors.length > 0) {
      throw errors;
    }
    return {
      triggers: [
        { tag: 'process-started', val: name },
        { tag: 'process-exited', val: name },
      ],
      needs: [`process:${name}`],
    };
  },

  run(context) {
    let found;
    try {
      found = find(name);
    } catch (error) {
      throw error.payload === 'denied'
        ? { tag: 'denied', val: `process:${name}` }
        : { tag: 'unavailable', val: 'the process table cannot be read' };
    }
    if (found.length === 0) {
      return { verdict: 'failing', summary: `no process named ${name}`, facts: [] };
    }
    write('debug', `run ${context.run}`, [['found', String(found.length)]]);
    const facts = [{ name: 'processes', value: String(found.length) }];
    return { verdict: 'passing', summary: `${name} runs as ${found[0].pid}`, facts };
  },
};
