import sys; pass
import math
from fastff._jit import unit as _unit, invoke, _units
def unit(a):
    return lambda f: f if f.__name__ in _units else _unit(a)(f)

from fastff.simd.memory import *
import numpy as np
def stub():
    @unit("iiii")
    def activate(like, code, n, z, h):
        s=size_of(like)
        for i in range(n):
            v=get(z+i*s,like)
            if code==3: v=number(1/(1+math.exp(-v)),like)
            elif code==4: v=number(math.tanh(v),like)
            elif code==1: v=max(v,number(0.0,like))
            put(h+i*s,v)
        return 0
    @unit("iiiii")
    def derivative(like, code, n, h, z, g):
        s=size_of(like)
        one=number(1.0,like); zero=number(0.0,like)
        for i in range(n):
            v=get(h+i*s,like); w=get(g+i*s,like)
            if code==3: w=w*v*(one-v)
            elif code==4: w=w*(one-v*v)
            elif code==1: w=w if v>zero else zero
            put(g+i*s,w)
        return 0
    @unit("iiii")
    def softmax(like, rows, columns, z, z_row):
        return 0
    @unit("iiiiiiddddddd")
    def update(like, code, n, w, g, m, v, lr, b1, b2, eps, decay, c1, c2):
        s=size_of(like)
        for i in range(n):
            gi=float(get(g+i*s,like)); wi=float(get(w+i*s,like))
            mi=float(get(m+i*s,like))
            if code==1 or code==2:
                mi=b1*mi+gi; put(m+i*s,number(mi,like)); d=gi+b1*mi if code==2 else mi
                put(w+i*s,number(wi*(1-lr*decay)-lr*d,like))
            elif code==3:
                vi=float(get(v+i*s,like))
                mi=b1*mi+(1-b1)*gi; vi=b2*vi+(1-b2)*gi*gi
                put(m+i*s,number(mi,like)); put(v+i*s,number(vi,like))
                put(w+i*s,number(wi*(1-lr*decay)-lr*(mi/c1)/(math.sqrt(vi/c2)+eps),like))
            else: put(w+i*s,number(wi*(1-lr*decay)-lr*gi,like))
        return 0
    @unit("iiiiiiiiidiii")
    def head(like, act, loss, labels, rows, columns, z, z_row, y, y_row, scale, row_losses, delta, delta_row):
        s=size_of(like)
        for i in range(rows):
            l=0.0
            if loss==1:
                mx=-1e300
                for j in range(columns): mx=max(mx,float(get(z+i*z_row+j*s,like)))
                t=0.0
                for j in range(columns): t+=math.exp(get(z+i*z_row+j*s,like)-mx)
                c=get_int(y+i*y_row)
                l=math.log(t)+mx-get(z+i*z_row+c*s,like)
                for j in range(columns):
                    p=math.exp(get(z+i*z_row+j*s,like)-mx)/t
                    if j==c: p-=1.0
                    if delta!=0: put(delta+i*delta_row+j*s,number(p*scale,like))
            else:
                for j in range(columns):
                    p=float(get(z+i*z_row+j*s,like)); 
                    if act==3: p=1/(1+math.exp(-p))
                    e=p-get(y+i*y_row+j*s,like)
                    l+=e*e
                    if act==3: e*=p*(1-p)
                    if delta!=0: put(delta+i*delta_row+j*s,number(2*e*scale,like))
            put_double(row_losses+8*i,l)
        return 0
    return 0
