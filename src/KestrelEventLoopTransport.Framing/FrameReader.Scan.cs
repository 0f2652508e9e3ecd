using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing;

// Finds frames in what a read returned.
//
// The reader holds at most one read's result, between Hold and AdvanceTo. Inside it there are two places: where the
// current frame starts (_startObject, _startIndex), and what is scanned: _memory from _offset on, with _hereObject and
// _hereIndex as the position of its first byte. _scan.Seen is the distance between the two. A frame's bounds are first
// measured (by the codec), then reached (they may lie beyond what has arrived), and the frame is then found, or dropped
// if it is too long. When bytes run out, everything is examined, and what belongs to the current frame is kept in the
// pipe.
public sealed partial class FrameReader
{
    private ReadOnlySequence<byte> _buffer;
    private bool _holding;

    private object? _startObject;
    private int _startIndex;

    private object? _hereObject;
    private int _hereIndex;
    private ReadOnlySequenceSegment<byte>? _hereSegment;
    private ReadOnlyMemory<byte> _memory;
    private int _offset;
    private SequencePosition _next;

    private DecoderState _scan;
    private FrameScanState _customState;

    // The current frame ends at this offset of _memory.
    private bool _found;
    private int _end;
    private ReadOnlySequence<byte> _current;

    // The current frame is too long and dropped as it arrives. What was dropped before it is _discardedBefore.
    private bool _discarding;
    private long _discardedBefore;

    // The last frame was dropped, and has to be told.
    private FrameException? _discarded;

    // Bytes that the last AdvanceTo examined and did not consume.
    private long _kept;

    private bool _canceled;
    private bool _completed;
    private bool _ended;
    private Exception? _failure;

    private SequencePosition Start => new(_startObject, _startIndex);

    private bool TryHold()
    {
        ThrowIfFailed();
        if (_ended || !_input.TryRead(out var result))
        {
            return false;
        }

        Hold(result);
        return true;
    }

    private void Hold(in ReadResult result)
    {
        _buffer = result.Buffer;
        _holding = true;
        _completed = result.IsCompleted;
        _canceled |= result.IsCanceled;
        if (_buffer.Length <= _kept && !result.IsCompleted && !result.IsCanceled)
        {
            // There would be more than what was examined: others have consumed that since.
            _kept = 0;
        }

        var start = _buffer.Start;
        _startObject = start.GetObject();
        _startIndex = start.GetInteger();
        if (_scan.Length != 0)
        {
            _scan.Seen = 0;
        }

        MoveTo(_scan.Seen == 0 ? start : _buffer.GetPosition(_scan.Seen));
        SkipEmptyMemory();
    }

    /// <summary>Finds the next frame in the held bytes. When there is none, lets go of them.</summary>
    private bool Find()
    {
        while (_holding)
        {
            if ((_scan.Length == 0 && !TryMeasure() && !TryMeasureRest()) || !TryReachEnd())
            {
                LetGo();
                return _discarded is not null;
            }

            if (!_discarding)
            {
                _found = true;
                return true;
            }

            Drop();
            if (_discarded is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Learns the current frame's length; false when there are too few bytes for that.</summary>
    private bool TryMeasure()
    {
        if (_incrementalCodec is not { } codec)
        {
            return TryMeasureCustom(_customCodec!);
        }

        do
        {
            var bytes = _memory.Span[_offset..];
            if (bytes.IsEmpty)
            {
                continue;
            }

            if (codec.Scan(bytes, ref _scan))
            {
                CheckLength(_scan.Length - _scan.Uncounted);
                return true;
            }

            _scan.Seen += bytes.Length;
            CheckLength(_scan.Seen - _scan.Uncounted);
        }
        while (TryNextMemory());
        return false;
    }

    // Here Step says that the frame has been looked at, and Value how many bytes are needed for the next look.
    private bool TryMeasureCustom(CustomFrameCodec codec)
    {
        var bytes = _buffer.Slice(Start);
        if (bytes.IsEmpty || bytes.Length < _scan.Value)
        {
            return false;
        }

        if (_scan.Step == 0)
        {
            _customState = default;
            _scan.Step = 1;
        }

        // The same for however much has arrived: a frame whose length cannot be told from so many bytes is too long.
        if (bytes.Length > codec.MaxFrameLength)
        {
            bytes = bytes.Slice(0, codec.MaxFrameLength);
        }

        var scan = Scan(codec, bytes);
        _scan.Error = scan.Error;
        if (scan.IsFrame)
        {
            _scan.Length = scan.Length;
            _scan.Head = scan.Head;
            _scan.Tail = scan.Tail;
        }
        else
        {
            _scan.Value = Math.Max(scan.Length, bytes.Length + 1);
        }

        CheckLength(Math.Max(_scan.Length, _scan.Value));
        return scan.IsFrame;
    }

    private FrameScanResult Scan(CustomFrameCodec codec, in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return codec.ScanFrame(bytes, ref _customState);
        }
        catch (Exception exception)
        {
            AdvanceTo(_buffer.End, _buffer.End);
            _ended = true;
            _failure = exception as FrameException
                ?? new InvalidOperationException($"{codec.GetType().FullName}.Scan threw an exception: {exception.Message}", exception) as Exception;
            throw _failure;
        }
    }

    /// <summary>
    /// At the end of the stream: takes what is left for a frame, if it may end without its delimiter.
    /// </summary>
    private bool TryMeasureRest()
    {
        if (!_completed || !EndsWithStream)
        {
            return false;
        }

        var rest = _buffer.Slice(Start).Length;
        if (rest == 0)
        {
            return false;
        }

        _scan = new DecoderState { Length = rest };
        CheckLength(rest);
        MoveTo(Start);
        return true;
    }

    // Whether the stream's end is as good as a delimiter.
    private bool EndsWithStream => _options.DeliverTruncated && _incrementalCodec is { EndsWithDelimiter: true };

    /// <summary>Whether the current frame, whose length is known, has arrived with all its bytes.</summary>
    private bool TryReachEnd()
    {
        var left = _scan.Length - _scan.Seen;
        if (left > _memory.Length - _offset)
        {
            return TryReachEndFar();
        }

        _end = _offset + (int)left;
        return true;
    }

    private bool TryReachEndFar()
    {
        var bytes = _buffer.Slice(Start);
        if (bytes.Length < _scan.Length)
        {
            return false;
        }

        MoveTo(bytes.GetPosition(_scan.Length));
        _scan.Seen = _scan.Length;
        _end = 0;
        return true;
    }

    private void Take(out ReadOnlySequence<byte> frame)
    {
        var end = _hereIndex + _end;
        var start = _startIndex + _scan.Head;
        if (_hereSegment is { } segment && ReferenceEquals(segment, _startObject))
        {
            frame = new ReadOnlySequence<byte>(segment, start, segment, end - _scan.Tail);
        }
        else
        {
            frame = _buffer.Slice(Start, new SequencePosition(_hereObject, end));
            frame = frame.Slice(_scan.Head, _scan.Length - _scan.Head - _scan.Tail);
        }

        _found = false;
        BeginFrame();
    }

    private void Drop()
    {
        EndDiscarding(_scan.Length);
        BeginFrame();
    }

    private void EndDiscarding(long rest)
    {
        DiscardedBytes += rest;
        _discarding = false;
        if (ReportsDiscarded)
        {
            var length = DiscardedBytes - _discardedBefore - _scan.Uncounted;
            _discarded = new FrameException(FrameError.TooLong, TooLong(length));
        }
    }

    private string TooLong(long length) => $"A frame has {length} bytes; the codec's maximum is {_codec.MaxFrameLength}.";

    private void BeginFrame()
    {
        if (!ReferenceEquals(_startObject, _hereObject))
        {
            _startObject = _hereObject;
        }

        _startIndex = _hereIndex + _end;
        _offset = _end;
        _scan = default;
        SkipEmptyMemory();
    }

    // So that a frame does not begin with an empty segment: nobody expects one.
    private void SkipEmptyMemory()
    {
        while (_offset == _memory.Length && TryNextMemory())
        {
            if (_scan.Seen == 0)
            {
                _startObject = _hereObject;
                _startIndex = _hereIndex;
            }
        }
    }

    /// <summary>Returns the held bytes to the pipe, which keeps those of the current frame.</summary>
    private void LetGo()
    {
        var rest = _buffer.Slice(Start).Length;
        var truncated = _completed && (rest > 0 || _discarding);
        if (truncated && _discarding && EndsWithStream)
        {
            EndDiscarding(rest);
            truncated = false;
        }
        else if (_discarding)
        {
            DiscardedBytes += rest;
            _scan.Length = _scan.Length == 0 ? 0 : _scan.Length - rest;
            _scan.Seen = 0;
        }

        _kept = _discarding || _completed ? 0 : rest;
        AdvanceTo(_kept == 0 ? _buffer.End : Start, _buffer.End);
        _ended = _completed;
        if (truncated && !_options.AllowTruncated)
        {
            Fail(FrameError.Truncated, "The stream ended inside a frame.");
        }
    }

    private void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _holding = false;
        _buffer = _current = default;
        _memory = default;
        _startObject = _hereObject = _hereSegment = null;
        _next = default;
        _input.AdvanceTo(consumed, examined);
    }

    private void MoveTo(SequencePosition position)
    {
        _next = position;
        if (!TryNextMemory())
        {
            SetMemory(position, default);
        }
    }

    private bool TryNextMemory()
    {
        var position = _next;
        if (position.GetObject() is null || !_buffer.TryGet(ref _next, out var memory))
        {
            return false;
        }

        SetMemory(position, memory);
        return true;
    }

    private void SetMemory(SequencePosition position, ReadOnlyMemory<byte> memory)
    {
        _hereObject = position.GetObject();
        _hereSegment = _hereObject as ReadOnlySequenceSegment<byte>;
        _hereIndex = position.GetInteger();
        _memory = memory;
        _offset = 0;
    }

    /// <summary>Looks at what was measured: an error, or too long?</summary>
    private void CheckLength(long counted)
    {
        if (_scan.Error is not null || (counted > _codec.MaxFrameLength && !_discarding))
        {
            OnInvalid();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void OnInvalid()
    {
        var error = _scan.Error;
        if (error is null && _options.OversizedFrame == OversizedFrameBehavior.Discard && (_customCodec is null || _scan.Length != 0))
        {
            _discarding = true;
            _discardedBefore = DiscardedBytes;
            DiscardedFrames++;
            return;
        }

        var length = _scan.Length - _scan.Uncounted;
        AdvanceTo(_buffer.End, _buffer.End);
        if (error is not null)
        {
            Fail(FrameError.Corrupted, error);
        }

        Fail(
            FrameError.TooLong,
            length > 0 ? TooLong(length) : $"A frame has more than {_codec.MaxFrameLength} bytes, the codec's maximum; its end has not arrived.");
    }

    private void Fail(FrameError error, string message)
    {
        _ended = true;
        _failure = new FrameException(error, message);
        throw _failure;
    }

    private void ThrowIfFailed()
    {
        if (_failure is not null)
        {
            throw _failure;
        }
    }

    /// <summary>Forgets what is known of the frame behind the last one.</summary>
    private void BeginAgain()
    {
        _found = false;
        _scan = default;
        if (_holding)
        {
            MoveTo(Start);
            SkipEmptyMemory();
        }
    }
}
