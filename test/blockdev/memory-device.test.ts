import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { CONTRACT_SIZE, CONTRACT_SIZE_MAX, testContract } from './contract.js';

testContract('MemoryDevice', () => ({
  device: new MemoryDevice({ size: CONTRACT_SIZE, sizeMax: CONTRACT_SIZE_MAX }),
  canGrow: true,
}));
