// A store thread that dies in the middle of a call, or is busy for a while, when the key's kind asks for it.
import { loadLibsql } from '../../../../../dist/state/stores/libsql.js';
import { runStoreThread } from '../../../../../dist/state/stores/thread.js';

const open = loadLibsql();

runStoreThread(() => (path, options) => {
  const database = open(path, options);
  const prepare = database.prepare.bind(database);
  database.prepare = (sql) => {
    const statement = prepare(sql);
    return {
      run: (values) => statement.run(values),
      all: (values) => statement.all(values),
      get: (values) => {
        const [name] = values;
        if (typeof name === 'string') {
          if (name.includes(':exits:')) process.exit(3);
          if (name.includes(':throws:'))
            setImmediate(() => {
              throw new Error('a fault outside of any call');
            });
          if (name.includes(':hangs:')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
          if (name.includes(':sql:')) return prepare('SELECT * FROM missing').get([]);
        }
        return statement.get(values);
      },
    };
  };
  return database;
});
