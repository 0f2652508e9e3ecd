using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Searches for several delimiters at once, byte by byte, in one pass and with one number of state (Aho and Corasick,
/// "Efficient string matching", 1975).
/// </summary>
/// <remarks>
/// A state stands for the longest suffix of the scanned bytes that is the start of a delimiter. In state 0 there is
/// none, and the search jumps to the next byte that starts a delimiter. No delimiter contains another one except at its
/// end, so the first delimiter to end is also the first one to start, and is complete in the state of its last byte.
/// </remarks>
internal sealed class DelimiterAutomaton
{
    /// <summary>Maximum of bytes of all delimiters together. It limits the table to half a megabyte.</summary>
    internal const int MaxTotalLength = 1024;

    private readonly SearchValues<byte> _firstBytes;

    // Bytes that no delimiter contains are treated alike: class 0.
    private readonly ushort[] _classes = new ushort[256];
    private readonly int _classCount = 1;

    // The next state, by state and class.
    private readonly ushort[] _next;

    // How many bytes a state has matched, and whether they are a whole delimiter.
    private readonly ushort[] _depths;
    private readonly bool[] _isEnd;

    internal DelimiterAutomaton(byte[][] delimiters)
    {
        foreach (var value in delimiters.SelectMany(static d => d))
        {
            if (_classes[value] == 0)
            {
                _classes[value] = (ushort)_classCount++;
            }
        }

        _firstBytes = SearchValues.Create([.. delimiters.Select(static d => d[0])]);
        var states = 1 + delimiters.Sum(static d => d.Length);
        _next = new ushort[states * _classCount];
        _depths = new ushort[states];
        _isEnd = new bool[states];
        AddBranches(delimiters);
        AddFallbacks();
    }

    internal int Depth(int state) => _depths[state];

    /// <summary>Searches on from a state. Returns the number of bytes up to the first delimiter's end, or -1.</summary>
    internal int Search(ReadOnlySpan<byte> bytes, ref int state)
    {
        var current = state;
        for (var i = 0; i < bytes.Length;)
        {
            if (current == 0)
            {
                var skip = bytes[i..].IndexOfAny(_firstBytes);
                if (skip < 0)
                {
                    break;
                }

                i += skip;
            }

            current = _next[(current * _classCount) + _classes[bytes[i++]]];
            if (_isEnd[current])
            {
                state = current;
                return i;
            }
        }

        state = current;
        return -1;
    }

    private void AddBranches(byte[][] delimiters)
    {
        ushort last = 0;
        foreach (var delimiter in delimiters)
        {
            var state = 0;
            foreach (var value in delimiter)
            {
                ref var next = ref _next[(state * _classCount) + _classes[value]];
                if (next == 0)
                {
                    next = ++last;
                    _depths[last] = (ushort)(_depths[state] + 1);
                }

                state = next;
            }

            _isEnd[state] = true;
        }
    }

    // From shallow to deep. Where a branch ends, the search goes on from the longest suffix that starts a delimiter.
    private void AddFallbacks()
    {
        var fallbacks = new ushort[_depths.Length];
        var queue = new Queue<int>([0]);
        while (queue.TryDequeue(out var state))
        {
            for (var c = 1; c < _classCount; c++)
            {
                ref var next = ref _next[(state * _classCount) + c];
                var fallback = state == 0 ? (ushort)0 : _next[(fallbacks[state] * _classCount) + c];
                if (next != 0 && _depths[next] == _depths[state] + 1)
                {
                    fallbacks[next] = fallback;
                    queue.Enqueue(next);
                }
                else
                {
                    next = fallback;
                }
            }
        }
    }
}
