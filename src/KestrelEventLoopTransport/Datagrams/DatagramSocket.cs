using System.Net;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// A datagram socket on a loop. An edge begins a turn: datagrams are received in batches and passed to the handler,
/// until the socket is empty or others must get their turn. One thread at a time is in a turn (<see
/// cref="Readiness"/>), so a handler that blocks stops this socket and nothing else.
/// </summary>
/// <remarks>
/// The turn holds one reference to the descriptor, which its end releases, and the start holds one until the loop's
/// token is known. A thread that sends holds one during its system call, and until it has queued or counted what the
/// kernel has not taken. The thread that releases the last one closes the socket.
/// </remarks>
internal sealed class DatagramSocket : IPollable, IDispatchTarget, IThreadPoolWorkItem
{
    // Some 300 microseconds.
    private const int MaxBatchesPerTurn = 4;
    private const int MaxDatagramsPerTurn = 4 * DatagramBatch.Capacity;

    private static readonly bool _hasBatches = OperatingSystem.IsLinux() && Poller.ReportsUrgentData;

    private readonly DatagramInput _input;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DescriptorHandle _descriptor;
    private Readiness _readiness;
    private ulong _token;
    private int _hasStarted;
    private int _isPosted;

    /// <param name="bound">The bound socket. The object owns it.</param>
    /// <param name="loop">The loop that polls it. The caller keeps it alive until <see cref="Closed"/>.</param>
    /// <param name="handler">The application's code.</param>
    /// <param name="options">The options of the endpoint.</param>
    internal DatagramSocket(
        BoundDatagramSocket bound, EventLoop loop, DatagramHandler handler, DatagramEndpointOptions options)
    {
        _descriptor = new DescriptorHandle(bound.Fd, references: 2);
        Loop = loop;
        EndPoint = bound.EndPoint;
        _input = new DatagramInput(this, bound, _hasBatches, handler, options.MaxDatagramSize);
        Output = new DatagramOutput(this, bound, _hasBatches, options);
        Sender = new DatagramSender(Output);
    }

    internal EventLoop Loop { get; }

    internal EndPoint EndPoint { get; }

    internal DatagramOutput Output { get; }

    internal DatagramSender Sender { get; }

    /// <summary>The descriptor. The caller holds a reference to it.</summary>
    internal int Fd => _descriptor.Value;

    internal long Received => _input.Received;

    Traffic IPollable.Traffic => new(0, 0, Received, Output.Sent);

    internal long KernelDrops => _input.KernelDrops;

    /// <summary>Completes when the descriptor is closed.</summary>
    internal Task Closed => _closed.Task;

    /// <summary>Starts polling.</summary>
    internal void Start()
    {
        try
        {
            _token = Loop.Register(Fd, this);
        }
        finally
        {
            EndStart();
        }
    }

    /// <summary>
    /// Ends receiving and sending. A call of the handler that runs is not interrupted, and what it has sent still goes
    /// out when it returns: see <see cref="Closed"/>.
    /// </summary>
    internal void Stop()
    {
        if (_readiness.Stop())
        {
            EndTurns();
        }

        // Does nothing for a socket that was started.
        EndStart();
    }

    internal bool TryAddReference() => _descriptor.TryAddReference();

    internal void ReleaseReference()
    {
        if (_descriptor.Release())
        {
            Close();
        }
    }

    public void OnReady(PollEvents events)
    {
        // A full fence, as is the exchange below: either the posted turn sees the edge, or this thread runs it.
        _readiness.SetReady();
        if (Volatile.Read(ref _isPosted) == 0)
        {
            RunTurn();
        }
    }

    /// <summary>The next turn, as work of the loop or of the thread pool.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        Interlocked.Exchange(ref _isPosted, 0);
        RunTurn();
    }

    void IDispatchTarget.OnOverdue() => Output.Uncork();

    string IDispatchTarget.Describe() => $"datagram endpoint {EndPoint}";

    /// <summary>An error that concerns one datagram. The handler gets it in the next turn.</summary>
    /// <param name="error">The error number.</param>
    /// <param name="address">Where the datagram was sent to; empty if that is not known.</param>
    internal void ReportError(int error, DatagramAddress address)
    {
        if (_input.TryAddError(error, address))
        {
            // The thread of the current turn, if it has one, looks again; else the posted turn does.
            _readiness.SetReady();
            if (!_readiness.Has(ReadinessFlags.Busy))
            {
                PostTurn(toLoop: true);
            }
        }
    }

    /// <summary>Receives in a turn that is posted, without an edge.</summary>
    internal void ReceiveLater()
    {
        _readiness.SetReady();
        PostTurn(toLoop: true);
    }

    private void RunTurn()
    {
        if (!Loop.Callbacks.MayRunHere)
        {
            PostTurn(toLoop: false);
            return;
        }

        var isLoop = Loop.IsCurrent;
        var limit = _input.Received + MaxDatagramsPerTurn;
        for (var batches = 1; _readiness.TryBeginCall(); batches++)
        {
            var more = true;
            var isReleased = false;
            var hasFailed = true;
            try
            {
                more = _input.ReceiveBatch();
                hasFailed = false;
            }
            finally
            {
                isReleased = _readiness.EndCall(more);
                if (isReleased)
                {
                    EndTurns();
                }
                else if (hasFailed)
                {
                    PostRest(isLoop);
                }
            }

            if (isReleased)
            {
                return;
            }

            // A thread whose handler has blocked may have lost its loop.
            if (batches >= MaxBatchesPerTurn || _input.Received >= limit || isLoop != Loop.IsCurrent)
            {
                PostRest(isLoop);
                return;
            }
        }
    }

    private void PostRest(bool isLoop)
    {
        if (_readiness.Has(ReadinessFlags.Ready))
        {
            PostTurn(isLoop);
        }
    }

    /// <summary>
    /// Posts a turn, unless one is posted and has not begun: under a flood there would be more of them at each poll.
    /// The caller has set the readiness, which that turn sees.
    /// </summary>
    private void PostTurn(bool toLoop)
    {
        if (Interlocked.CompareExchange(ref _isPosted, 1, 0) != 0)
        {
            return;
        }

        if (toLoop)
        {
            Loop.Post(this);
        }
        else
        {
            Loop.Callbacks.Post(this);
        }
    }

    private void EndStart()
    {
        if (Interlocked.Exchange(ref _hasStarted, 1) == 0)
        {
            ReleaseReference();
        }
    }

    /// <summary>No turn runs and none will.</summary>
    private void EndTurns()
    {
        Output.Stop();
        if (_descriptor.Close())
        {
            Close();
        }
    }

    private void Close()
    {
        _input.Close();
        if (_token != 0)
        {
            Loop.Unregister(_token);
        }

        ProcessTraffic.Shared.OnEnded(new Traffic(0, 0, Received, Output.Sent));
        _ = Libc.close(Fd);
        _closed.TrySetResult();
    }
}
