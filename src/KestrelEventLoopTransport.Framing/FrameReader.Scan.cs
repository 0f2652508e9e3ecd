using System.Buffers;
using System.IO.Pipelines;
using KestrelEventLoopTransport.Framing.Codecs;
using KestrelEventLoopTransport.Framing.Reading;

namespace KestrelEventLoopTransport.Framing;

// Finds frames in what a read returned.
//
// The reader holds the result of one read at most, between Hold and AdvanceTo. It first measures the current frame with
// the codec. Then it looks for the frame's end, which may not have arrived. Then the frame is found, or dropped if it
// is oversized. When the bytes run out, the reader tells the pipe that it has examined all of them; those of the
// current frame stay in the pipe.
public sealed partial class FrameReader
{
    private HeldBytes _held;
    private bool _holding;

    // What is known of the current frame. _scan.Seen is the distance from its start to what is scanned next.
    private DecoderState _scan;
    private FrameScanState _customState;
    private bool _found;

    // The frame that the enumerator shows.
    private ReadOnlySequence<byte> _current;

    // Number of bytes that the last AdvanceTo examined and did not consume.
    private long _kept;

    private bool _canceled;
    private bool _completed;
    private bool _ended;

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
        NoteRead();
        _holding = true;
        _completed = result.IsCompleted;
        _canceled |= result.IsCanceled;
        if (result.Buffer.Length <= _kept && !result.IsCompleted && !result.IsCanceled)
        {
            // A read returns more than was examined, so others have consumed the kept bytes since.
            _kept = 0;
        }

        if (_scan.Length != 0)
        {
            _scan.Seen = 0;
        }

        _held = new HeldBytes(result.Buffer, _scan.Seen);
    }

    /// <summary>Finds the next frame in the held bytes. If there is none, returns them to the pipe.</summary>
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

            EndDiscarding(_scan.Length);
            BeginFrame();
            if (_discarded is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Measures the current frame. Returns false if that takes more bytes.</summary>
    private bool TryMeasure()
    {
        if (_incrementalCodec is not { } codec)
        {
            return TryMeasureCustom(_customCodec!);
        }

        do
        {
            var bytes = _held.Unscanned;
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
        while (_held.TryNextPiece());
        return false;
    }

    // For a custom codec, Step is 1 once it was called for this frame, and Value is the number of bytes that it needs
    // for the next call.
    private bool TryMeasureCustom(CustomFrameCodec codec)
    {
        var bytes = _held.Rest;
        if (bytes.IsEmpty || bytes.Length < _scan.Value)
        {
            return false;
        }

        if (_scan.Step == 0)
        {
            _customState = default;
            _scan.Step = 1;
        }

        // The codec never gets more than the maximum, so that the result does not depend on how much has arrived.
        if (bytes.Length > codec.MaxFrameLength)
        {
            bytes = bytes.Slice(0, codec.MaxFrameLength);
        }

        var result = Scan(codec, bytes);
        _scan.Error = result.Error;
        if (result.IsFrame)
        {
            _scan.Length = result.Length;
            _scan.Head = result.Head;
            _scan.Tail = result.Tail;
        }
        else
        {
            _scan.Value = Math.Max(result.Length, bytes.Length + 1);
        }

        CheckLength(Math.Max(_scan.Length, _scan.Value));
        return result.IsFrame;
    }

    private FrameScanResult Scan(CustomFrameCodec codec, in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return codec.ScanFrame(bytes, ref _customState);
        }
        catch (Exception exception)
        {
            AdvanceTo(_held.End, _held.End);
            _ended = true;
            _failure = exception as FrameException ?? (Exception)new InvalidOperationException(
                $"{codec.GetType().FullName}.Scan threw an exception: {exception.Message}", exception);
            throw _failure;
        }
    }

    // Whether the end of the stream ends a frame, as a delimiter does.
    private bool EndsWithStream
        => _options.DeliverTruncated && _incrementalCodec is { EndsWithDelimiter: true };

    /// <summary>At the end of the stream, measures a frame that may end without its delimiter.</summary>
    private bool TryMeasureRest()
    {
        if (!_completed || !EndsWithStream)
        {
            return false;
        }

        var rest = _held.Rest.Length;
        if (rest == 0)
        {
            return false;
        }

        _scan = new DecoderState { Length = rest };
        CheckLength(rest);
        _held.BeginAgain();
        return true;
    }

    /// <summary>Whether all bytes of the current frame, which was measured, have arrived.</summary>
    private bool TryReachEnd() => _held.TryReachEnd(_scan.Length - _scan.Seen) || TryReachFarEnd();

    private bool TryReachFarEnd()
    {
        if (!_held.TryReachFarEnd(_scan.Length))
        {
            return false;
        }

        _scan.Seen = _scan.Length;
        return true;
    }

    private void Take(out ReadOnlySequence<byte> frame)
    {
        _held.SliceFrame(_scan, out frame);
        _found = false;
        BeginFrame();
    }

    private void BeginFrame()
    {
        _held.BeginFrame();
        _scan = default;
    }

    /// <summary>Forgets what is known of the frame behind the last one.</summary>
    private void BeginAgain()
    {
        _found = false;
        _scan = default;
        if (_holding)
        {
            _held.BeginAgain();
        }
    }

    /// <summary>Returns the held bytes to the pipe, which keeps those of the current frame.</summary>
    private void LetGo()
    {
        var rest = _held.Rest.Length;
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
        AdvanceTo(_kept == 0 ? _held.End : _held.Start, _held.End);
        _ended = _completed;
        if (truncated && !_options.AllowTruncated)
        {
            Fail(FrameError.Truncated, "The stream ended inside a frame.");
        }
    }

    private void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _holding = false;
        _held = default;
        _current = default;
        _input.AdvanceTo(consumed, examined);
    }
}
