using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Framing;

// What is not a frame: errors, which end reading, and oversized frames, which may be dropped.
public sealed partial class FrameReader
{
    // The current frame is oversized and dropped as it arrives. _discardedBefore is DiscardedBytes at its start.
    private bool _discarding;
    private long _discardedBefore;

    // The last frame was dropped, and the handler has not been called for it.
    private FrameException? _discarded;

    // Thrown by every later call.
    private Exception? _failure;

    /// <summary>Checks what the codec has measured.</summary>
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
        var canSkip = _customCodec is null || _scan.Length != 0;
        if (error is null && _options.OversizedFrame == OversizedFrameBehavior.Discard && canSkip)
        {
            _discarding = true;
            _discardedBefore = DiscardedBytes;
            DiscardedFrames++;
            return;
        }

        var length = _scan.Length - _scan.Uncounted;
        AdvanceTo(_held.End, _held.End);
        if (error is not null)
        {
            Fail(FrameError.Corrupted, error);
        }

        Fail(FrameError.TooLong, length > 0 ? TooLong(length) : TooLongWithoutEnd());
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

    private string TooLong(long length)
        => $"A frame has {length} bytes; the codec's maximum is {_codec.MaxFrameLength}.";

    private string TooLongWithoutEnd()
        => $"A frame has more than {_codec.MaxFrameLength} bytes, the codec's maximum; its end has not arrived.";

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
}
