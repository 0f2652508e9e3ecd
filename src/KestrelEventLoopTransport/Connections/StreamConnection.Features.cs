using System.Buffers;
using System.Collections;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.Connections;

// The feature collection is the connection itself: seven features are there from the start and cost no object. What
// Kestrel and middleware add or replace goes into a short list.
internal sealed partial class StreamConnection : IFeatureCollection,
    IConnectionIdFeature,
    IConnectionTransportFeature,
    IConnectionItemsFeature,
    IMemoryPoolFeature,
    IConnectionLifetimeFeature,
    IConnectionSocketFeature,
    IConnectionEndPointFeature
{
    private static readonly Type[] _ownFeatures =
    [
        typeof(IConnectionIdFeature),
        typeof(IConnectionTransportFeature),
        typeof(IConnectionItemsFeature),
        typeof(IMemoryPoolFeature),
        typeof(IConnectionLifetimeFeature),
        typeof(IConnectionSocketFeature),
        typeof(IConnectionEndPointFeature),
    ];

    // In place of the socket once the descriptor is closed.
    private static readonly object _closedSocket = new();

    private SocketAddressBytes _remoteAddress;
    private SocketAddressBytes _localAddress;
    private readonly bool _isUnix;

    // Set features: replacements of our own (null: removed) and additions.
    private List<KeyValuePair<Type, object?>>? _setFeatures;
    private int _revision;

    private IDuplexPipe _transport;
    private string? _connectionId;
    private IDictionary<object, object?>? _items;
    private EndPoint? _localEndPoint;
    private EndPoint? _remoteEndPoint;
    private object? _socket;
    private bool _closedTokenIsSet;
    private CancellationToken _closedToken;

    public override string ConnectionId
    {
        get => _connectionId ?? Interlocked.CompareExchange(ref _connectionId, Connections.ConnectionId.Next(), null) ?? _connectionId;
        set => _connectionId = value;
    }

    public override IFeatureCollection Features => this;

    public override IDuplexPipe Transport
    {
        get => _transport;
        set => _transport = value;
    }

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    public override CancellationToken ConnectionClosed
    {
        get => _closedTokenIsSet ? _closedToken : ClosedToken;
        set
        {
            _closedToken = value;
            _closedTokenIsSet = true;
        }
    }

    public override EndPoint? LocalEndPoint
    {
        get => _localEndPoint ??= _localAddress.ToEndPoint();
        set
        {
            _localEndPoint = value;
            _localAddress = default;
        }
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _remoteEndPoint ??= _remoteAddress.ToEndPoint();
        set
        {
            _remoteEndPoint = value;
            _remoteAddress = default;
        }
    }

    MemoryPool<byte> IMemoryPoolFeature.MemoryPool => Pool;

    /// <summary>
    /// A <see cref="Socket"/> over the connection's descriptor, made on first use. It does not own the descriptor;
    /// once the connection is closed it is disposed.
    /// </summary>
    Socket IConnectionSocketFeature.Socket => Volatile.Read(ref _socket) as Socket ?? CreateSocket();

    bool IFeatureCollection.IsReadOnly => false;

    int IFeatureCollection.Revision => _revision;

    object? IFeatureCollection.this[Type key]
    {
        get => GetFeature(key);
        set => SetFeature(key, value);
    }

    void IConnectionLifetimeFeature.Abort() => Abort(new ConnectionAbortedException(
        "The connection was aborted by the application via IConnectionLifetimeFeature.Abort()."));

    TFeature? IFeatureCollection.Get<TFeature>() where TFeature : default => (TFeature?)GetFeature(typeof(TFeature));

    void IFeatureCollection.Set<TFeature>(TFeature? instance) where TFeature : default
        => SetFeature(typeof(TFeature), instance);

    IEnumerator<KeyValuePair<Type, object>> IEnumerable<KeyValuePair<Type, object>>.GetEnumerator()
    {
        foreach (var type in _ownFeatures)
        {
            if (IndexOfSet(type) < 0)
            {
                yield return new(type, this);
            }
        }

        foreach (var (type, feature) in _setFeatures ?? [])
        {
            if (feature is not null)
            {
                yield return new(type, feature);
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => ((IEnumerable<KeyValuePair<Type, object>>)this).GetEnumerator();

    private object? GetFeature(Type type)
    {
        var index = IndexOfSet(type);
        return index >= 0 ? _setFeatures![index].Value
            : Array.IndexOf(_ownFeatures, type) >= 0 ? this
            : null;
    }

    private void SetFeature(Type type, object? feature)
    {
        _revision++;
        _setFeatures ??= new(6);
        var index = IndexOfSet(type);
        if (index < 0)
        {
            _setFeatures.Add(new(type, feature));
        }
        else
        {
            _setFeatures[index] = new(type, feature);
        }
    }

    private int IndexOfSet(Type type)
    {
        var features = _setFeatures;
        if (features is not null)
        {
            for (var i = 0; i < features.Count; i++)
            {
                if (features[i].Key == type)
                {
                    return i;
                }
            }
        }

        return -1;
    }

    private Socket CreateSocket()
    {
        // As a third half: the descriptor stays open until the socket is made.
        if (!TryHold())
        {
            var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
            closed.Dispose();
            return closed;
        }

        try
        {
            var created = new Socket(new SafeSocketHandle(Fd, ownsHandle: false));
            if (Interlocked.CompareExchange(ref _socket, created, null) is not Socket first)
            {
                return created;
            }

            created.Dispose();
            return first;
        }
        finally
        {
            ReleaseHalf();
        }
    }

    /// <summary>
    /// Ends the socket object, if there is one. True when it was given out and may have been duplicated.
    /// </summary>
    private bool DisposeSocket()
    {
        var socket = Interlocked.Exchange(ref _socket, _closedSocket) as Socket;
        socket?.Dispose();
        return socket is not null;
    }
}
