using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>The server's end of a conversation: a connection handler that uses all that pipes offer.</summary>
internal sealed class ConversationServer
{
    private const int HeaderLength = sizeof(int);

    private readonly Episode _episode;
    private readonly Conversation _conversation;
    private readonly ConnectionContext _connection;
    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly IConnectionDeadlineFeature? _deadlines;
    private readonly ConnectionAbortedException _abortReason = new("The torture test aborts.");

    private ConversationServer(Episode episode, Conversation conversation, ConnectionContext connection)
    {
        _episode = episode;
        _conversation = conversation;
        _connection = connection;
        _input = connection.Transport.Input;
        _output = connection.Transport.Output;
        _deadlines = connection.Features.Get<IConnectionDeadlineFeature>();
    }

    /// <summary>Serves one connection. Returns its conversation, or null if it ended before it said which.</summary>
    public static async Task<Conversation?> RunAsync(Episode episode, ConnectionContext connection)
    {
        ConversationServer? server = null;
        try
        {
            var result = await connection.Transport.Input.ReadAtLeastAsync(HeaderLength);
            if (result.Buffer.Length < HeaderLength)
            {
                connection.Transport.Input.AdvanceTo(result.Buffer.End);
                return null;
            }

            var header = result.Buffer.Slice(0, HeaderLength);
            var found = episode.FindConversation(BinaryPrimitives.ReadInt32LittleEndian(header.ToArray()));
            connection.Transport.Input.AdvanceTo(header.End);
            server = new ConversationServer(episode, found, connection);
            await server.RunAsync();
        }
        catch (Exception exception)
        {
            if (server is not null)
            {
                server.OnFailed(exception);
            }
            else if (exception is FailingMemoryException)
            {
                if (episode.FindConversation((IPEndPoint)connection.RemoteEndPoint!) is { } conversation)
                {
                    conversation.MemoryFailed = true;
                }
            }
            else if (exception is not (ConnectionResetException or ConnectionAbortedException))
            {
                episode.Fail($"The header was not read: {exception}");
            }
        }

        return server?._conversation;
    }

    private async Task RunAsync()
    {
        _conversation.ServerState = "started";
        _conversation.AwaitsClosed = true;
        _ = _connection.ConnectionClosed.UnsafeRegister(
            static server => ((ConversationServer)server!).OnConnectionClosed(), this);
        var random = new Random(_conversation.ServerSeed);
        Task? aborting = null;
        if (_conversation.ServerEnd == ServerEnd.AbortFromOutside)
        {
            aborting = AbortLaterAsync(random.Next(3000), random.Next(2) == 0);
        }

        try
        {
            if (_conversation.Kind == ConversationKind.Duplex)
            {
                // Kestrel's application half writes while its transport half reads.
                var sending = Task.Run(SendBesideAsync);
                try
                {
                    await ReceiveAsync(random);
                }
                finally
                {
                    await sending;
                }
            }
            else
            {
                if (_conversation.Kind == ConversationKind.ReplyFirst)
                {
                    await SendAsync(random);
                }

                await ReceiveAsync(random);
                if (_conversation.Kind == ConversationKind.Reply && !_conversation.ServerEnding)
                {
                    await SendAsync(random);
                }
            }

            await EndAsync();
            if (random.Next(20) == 0)
            {
                // A handler that returns long after its client has gone.
                await Task.Delay(random.Next(100));
            }
        }
        finally
        {
            if (aborting is not null)
            {
                await aborting;
            }
        }
    }

    private async Task ReceiveAsync(Random random)
    {
        var position = 0L;
        while (true)
        {
            if (EndsAt(position))
            {
                await EndEarlyAsync();
                return;
            }

            if (position == _conversation.Upload
                && (_conversation.ServerEnd != ServerEnd.AfterFin || ClientWaitsForReply))
            {
                return;
            }

            var result = await ReadAsync(random);
            Progress($"read {result.Buffer.Length} at {position}");
            var length = result.Buffer.Length;
            var consumed = result.IsCompleted || random.Next(3) != 0 ? length : random.NextInt64(length + 1);
            foreach (var segment in result.Buffer.Slice(0, consumed))
            {
                if (Pattern.FirstMismatch(segment.Span, _conversation.UploadStream, position) is var at and >= 0)
                {
                    _episode.Fail($"The server read a wrong byte at {position + at}: {_conversation}");
                }

                position += segment.Length;
                _conversation.ServerReceived = position;
                if (_conversation.Kind == ConversationKind.Echo)
                {
                    _output.Write(segment.Span);
                }
            }

            // The rest must be offered again at once, or when more has come, if more is to come.
            var end = result.Buffer.GetPosition(consumed);
            var isLast = _conversation.ClientEnd == ClientEnd.LateHalfClose
                && position + length - consumed == _conversation.Upload;
            _input.AdvanceTo(end, random.Next(2) == 0 && !isLast ? result.Buffer.End : end);
            if (_conversation.Kind == ConversationKind.Echo && consumed > 0)
            {
                await FlushAsync(random);
                _conversation.ServerSent = position;
            }

            if (result.IsCompleted)
            {
                OnCleanEnd(position);
                return;
            }

            await Pace.PauseAsync(random, _episode.Plan.Blocks);
        }
    }

    private async ValueTask<ReadResult> ReadAsync(Random random)
    {
        switch (random.Next(12))
        {
            case 0 when _input.TryRead(out var result):
                return result;
            case 1:
                _ = Task.Run(_input.CancelPendingRead);
                break;
            case 2:
                using (var cancellation = new CancellationTokenSource(TimeSpan.FromMicroseconds(random.Next(3000))))
                {
                    try
                    {
                        return await _input.ReadAsync(cancellation.Token);
                    }
                    catch (OperationCanceledException)
                    {
                        break;
                    }
                }

            case 3:
                // Late: by then the loop has received ahead.
                await Task.Delay(random.Next(20));
                break;
            case 4:
                for (var i = random.Next(20); i > 0; i--)
                {
                    if (_input.TryRead(out var polled))
                    {
                        return polled;
                    }

                    await Task.Delay(random.Next(2));
                }

                break;
            case 5 when _deadlines is not null:
                _deadlines.ReadDeadline = AboutNow(random);
                try
                {
                    return await _input.ReadAsync();
                }
                catch (IOException exception) when (exception.InnerException is TimeoutException)
                {
                    break;
                }
                finally
                {
                    _deadlines.ReadDeadline = null;
                }

            case 6 when _deadlines is not null:
                var deadline = AboutNow(random);
                var moving = Task.Run(() => _deadlines.ReadDeadline = deadline);
                try
                {
                    return await _input.ReadAsync();
                }
                catch (IOException exception) when (exception.InnerException is TimeoutException)
                {
                    break;
                }
                finally
                {
                    await moving;
                    _deadlines.ReadDeadline = null;
                }

            default:
                break;
        }

        return await _input.ReadAsync();
    }

    private static DateTimeOffset AboutNow(Random random)
        => DateTimeOffset.UtcNow + TimeSpan.FromMicroseconds(random.Next(-500, 4000));

    /// <summary>Sends while the handler receives, and ends both if it fails.</summary>
    private async Task SendBesideAsync()
    {
        try
        {
            await SendAsync(new Random(_conversation.ServerSeed + 1));
        }
        catch (FailingMemoryException)
        {
            _conversation.MemoryFailed = true;
            _conversation.ServerEnding = true;
            _connection.Abort(_abortReason);
        }
    }

    private async Task SendAsync(Random random)
    {
        for (var position = 0; position < _conversation.Download && !_conversation.ServerEnding;)
        {
            var n = Math.Min(Pace.ChunkSize(random), _conversation.Download - position);
            Pattern.Fill(_output.GetSpan(n)[..n], _conversation.DownloadStream, position);
            _output.Advance(n);
            position += n;
            _conversation.ServerSent = position;
            Progress($"wrote {n}, {position} in all");

            if (random.Next(6) == 0)
            {
#pragma warning disable CA2012 // Nobody awaits it.
                _ = _output.FlushAsync();
#pragma warning restore CA2012
            }

            // The last bytes are often left to the end of the connection.
            if (random.Next(3) != 0 && await FlushAsync(random))
            {
                return;
            }

            await Pace.PauseAsync(random, _episode.Plan.Blocks);
        }

        // The client waits for the last byte before it sends its FIN. FinishSending sends it, flushed or not.
        var finishes = random.Next(2) == 0;
        var flushes = _conversation.ClientEnd == ClientEnd.LateHalfClose && !(finishes && random.Next(2) == 0);
        if (flushes && !_conversation.ServerEnding)
        {
            await FlushAsync(random);
        }

        if (finishes && !_conversation.ServerEnding)
        {
            _connection.Features.Get<IConnectionHalfCloseFeature>()!.FinishSending();
            Progress("finished sending");
        }
    }

    /// <summary>True when the connection is over.</summary>
    private async ValueTask<bool> FlushAsync(Random random)
    {
        FlushResult result;
        switch (random.Next(12))
        {
            case 0:
                _ = Task.Run(_output.CancelPendingFlush);
                result = await _output.FlushAsync();
                break;
            case 1:
                using (var cancellation = new CancellationTokenSource(TimeSpan.FromMicroseconds(random.Next(3000))))
                {
                    try
                    {
                        result = await _output.FlushAsync(cancellation.Token);
                    }
                    catch (OperationCanceledException)
                    {
                        result = await _output.FlushAsync();
                    }
                }

                break;
            case 2 when _deadlines is not null:
                _deadlines.WriteDeadline = AboutNow(random);
                result = await FlushInTimeAsync();
                break;
            default:
                result = await _output.FlushAsync();
                break;
        }

        Progress("flushed");
        if (result.IsCompleted && IsUnbroken)
        {
            _episode.Fail($"A flush found the connection at its end: {_conversation}");
        }

        return result.IsCompleted;
    }

    private async ValueTask<FlushResult> FlushInTimeAsync()
    {
        while (true)
        {
            try
            {
                return await _output.FlushAsync();
            }
            catch (IOException exception) when (exception.InnerException is TimeoutException)
            {
                // The next one may fail too: it may be the same as one that waits and is not awaited.
            }
            finally
            {
                _deadlines!.WriteDeadline = null;
            }
        }
    }

    private bool EndsAt(long position)
        => position >= _conversation.ServerEndAt
            && _conversation.ServerEnd is ServerEnd.Leave or ServerEnd.Abort or ServerEnd.AbortWithoutReason
                or ServerEnd.CompleteWithError or ServerEnd.DisposeWhileReading;

    private async Task EndEarlyAsync()
    {
        _conversation.ServerEnding = true;
        switch (_conversation.ServerEnd)
        {
            case ServerEnd.Abort:
                _connection.Abort(_abortReason);
                break;
            case ServerEnd.AbortWithoutReason:
                _connection.Abort(null!);
                break;
            case ServerEnd.CompleteWithError when _conversation.Kind != ConversationKind.Duplex:
                _output.Complete(new InvalidOperationException("The torture test completes its output with an error."));
                break;
            case ServerEnd.DisposeWhileReading when _conversation.Kind != ConversationKind.Duplex:
                await DisposeWhileReadingAsync();
                break;
            default:
                break;
        }
    }

    /// <summary>The read ends. What it may still bring is nobody's any more, and is not looked at.</summary>
    private async Task DisposeWhileReadingAsync()
    {
        ValueTask<ReadResult> read;
        while ((read = _input.ReadAsync()).IsCompleted)
        {
            var result = await read;
            _input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }

        var disposing = Task.Run(() => _connection.DisposeAsync().AsTask());
        try
        {
            _ = await read;
        }
        finally
        {
            await disposing;
        }
    }

    private async Task EndAsync()
    {
        if (ClientWaitsForReply && _conversation.ServerEnd == ServerEnd.AfterFin)
        {
            while (!(await ReadAndDropAsync()).IsCompleted)
            {
                // To the client's FIN.
            }
        }

        _conversation.ServerEnding = true;
        _conversation.ServerState = "ended";
    }

    private async ValueTask<ReadResult> ReadAndDropAsync()
    {
        var result = await _input.ReadAsync();
        _input.AdvanceTo(result.Buffer.End);
        return result;
    }

    private async Task AbortLaterAsync(int microseconds, bool withReason)
    {
        await Task.Delay(TimeSpan.FromMicroseconds(microseconds));
        _conversation.ServerEnding = true;
        _connection.Abort(withReason ? _abortReason : null!);
    }

    private void OnCleanEnd(long position)
    {
        _conversation.ServerState = $"read to the end at {position}";
        var complete = position == _conversation.Upload && _conversation.ClientEnding;

        // Unix sockets know no linger time: closing one is not a reset.
        var mayClose = _conversation.ClientEnd == ClientEnd.Close
            || (_conversation.ClientEnd == ClientEnd.Reset && _episode.Plan.OnUnixSocket);

        // A client of ours drops what is unsent if a call fails. The kernel knows nothing of an injected reset, and
        // ends what it has sent with a FIN.
        var isCut = _conversation.IsBroken && _episode.Plan.Client != ClientKind.Socket;
        if (!complete && !isCut && !(mayClose && _conversation.ClientEnding))
        {
            _episode.Fail($"A clean end after {position} bytes: {_conversation}");
        }
    }

    private void OnFailed(Exception exception)
    {
        _conversation.ServerState = $"failed: {exception.GetType().Name}: {exception.Message}";
        switch (exception)
        {
            case FailingMemoryException:
                _conversation.MemoryFailed = true;
                _conversation.ServerEnding = true;
                break;
            case ConnectionResetException when IsUnbroken
                || (_conversation.ClientEnd is not (ClientEnd.Reset or ClientEnd.Close) && !_conversation.IsBroken):
                _episode.Fail($"A reset that nobody sent: {_conversation}: {exception}");
                break;
            case ConnectionAbortedException when IsUnbroken:
                _episode.Fail($"An abort that nobody asked for: {_conversation}: {exception}");
                break;
            case ConnectionResetException or ConnectionAbortedException:
                break;
            default:
                _episode.Fail($"{_conversation}: {exception}");
                break;
        }

        _conversation.ServerEnding = true;
    }

    private void OnConnectionClosed()
    {
        _conversation.AwaitsClosed = false;
        if (_conversation.Disposed)
        {
            _episode.Fail($"ConnectionClosed fired after dispose: {_conversation}");
        }

        if (!_conversation.ClientEnding && !_conversation.ServerEnding && !_episode.Stopping && !_conversation.IsBroken)
        {
            _episode.Fail($"ConnectionClosed fired on a live connection: {_conversation}");
        }
    }

    /// <summary>Whether the client's FIN comes after the answer.</summary>
    private bool ClientWaitsForReply
        => _conversation is { Kind: ConversationKind.Reply, ClientEnd: ClientEnd.LateHalfClose };

    private bool IsUnbroken => _conversation.EndsInOrder && !_episode.Stopping && !_conversation.IsBroken;

    private void Progress(string state)
    {
        _episode.OnProgress();
        _conversation.ServerState = state;
        if (_conversation.Disposed)
        {
            _episode.Fail($"A callback after dispose: {_conversation}");
        }
    }
}
