import { MappingType, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';

/** Words for 0 and 1. */
function words(zero: readonly [string, string], one: readonly [string, string]): ValueMapping[] {
  const [zeroText, zeroColour] = zero;
  const [oneText, oneColour] = one;
  return [
    {
      type: MappingType.ValueToText,
      options: {
        '0': { text: zeroText, color: zeroColour, index: 0 },
        '1': { text: oneText, color: oneColour, index: 1 },
      },
    },
  ];
}

export const answers = words(['no answer', 'red'], ['answers', 'green']);
export const connected = words(['not connected', 'red'], ['connected', 'green']);
export const found = words(['in order', 'green'], ['found', 'red']);

/** The mode of a policy, where it stands as text. */
export const modes: ValueMapping[] = [
  {
    type: MappingType.ValueToText,
    options: {
      enforce: { text: 'enforce', color: 'green', index: 0 },
      audit: { text: 'audit', color: 'orange', index: 1 },
    },
  },
];
